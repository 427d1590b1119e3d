"""The ClusterSecretStore."""

from constructs_lib.kubernetes import App, Chart, ParameterStore


class SecretStore(Chart):
    """`aws-ssm`, the store for the ExternalSecrets of the platform's namespaces."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "aws-ssm", namespace=None, folder="cluster")
        ParameterStore(self, namespaces=scope.files().namespaces)
