"""Kubernetes Secrets from SSM parameters, synced by the External Secrets Operator."""

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.chart import ChartConstruct
from constructs_lib.model import Parameter
from constructs_lib.model.checks import checked
from constructs_lib.model.names import ObjectName, Variable

STORE = "aws-ssm"
PULL_SECRET = "ghcr-pull-secret"  # noqa: S105 the name of a Secret
PROTECTED = {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
"""For objects that Argo CD must never delete, because other objects depend on them."""

_REFRESH = {"v1beta1": "1h", "v1": "1h0m0s"}  # as stored by a controller of that version
_REMOTE_DEFAULTS = {
    # The API server adds these defaults; omitting them would show up as permanent drift.
    "conversionStrategy": "Default",
    "decodingStrategy": "None",
    "metadataPolicy": "None",
}


@checked
class ParameterSecret(ChartConstruct):
    """A Secret with keys that are each read from one SSM parameter."""

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        keys: Mapping[str, Parameter],
        *,
        template: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Declare the Secret.

        Args:
            scope: The chart, or a construct in it.
            name: Name of the Secret.
            keys: Parameters by key.
            template: The `spec.target.template`. Default: the keys as they are.
            annotations: Annotations of the ExternalSecret. Default: none.
        """
        super().__init__(scope, name)
        self.keys = dict(keys)
        version = self.platform.target.external_secrets
        self.external_secret = self.add(
            f"external-secrets.io/{version}",
            "ExternalSecret",
            {
                "refreshInterval": _REFRESH[version],
                "secretStoreRef": {"name": STORE, "kind": "ClusterSecretStore"},
                "target": {"name": name, "creationPolicy": "Owner", "template": template},
                "data": [
                    {"secretKey": key, "remoteRef": {"key": parameter.path, **_REMOTE_DEFAULTS}}
                    for key, parameter in keys.items()
                ],
            },
            annotations=annotations,
        )


@checked
class ExternalSecret(ParameterSecret):
    """A Secret with environment variables, each read from one SSM parameter.

    A missing parameter blocks the refresh of the whole Secret, so put unrelated parameters into
    separate Secrets.
    """

    def __init__(
        self, scope: Construct, name: ObjectName, keys: Mapping[Variable, Parameter]
    ) -> None:
        """Declare the Secret.

        Args:
            scope: The chart, or a construct in it.
            name: Name of the Secret.
            keys: Parameters by environment variable.
        """
        super().__init__(scope, name, keys)
        if not keys:
            raise DeclarationError("reads no parameters; remove it")


@checked
class RegistryCredentials(ParameterSecret):
    """The image pull Secret `ghcr-pull-secret`.

    Protected from deletion, because the pods of the namespace could not start without it.
    """

    def __init__(self, scope: Construct, parameter: Parameter) -> None:
        """Declare the Secret.

        Args:
            scope: The Namespace.
            parameter: Parameter with a docker config.json.
        """
        template = {
            "engineVersion": "v2",
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "{{ .dockerconfigjson }}"},
        }
        keys = {"dockerconfigjson": parameter}
        super().__init__(scope, PULL_SECRET, keys, template=template, annotations=PROTECTED)


@checked
class ParameterStore(ChartConstruct):
    """The ClusterSecretStore `aws-ssm`: SSM in the platform's region.

    External Secrets authenticates with its own service account.
    """

    def __init__(self, scope: Construct, *, namespaces: tuple[str, ...]) -> None:
        """Declare the store.

        Args:
            scope: The chart.
            namespaces: Namespaces that may use the store.
        """
        super().__init__(scope, STORE)
        ssm = {"service": "ParameterStore", "region": self.platform.region}
        self.cluster_secret_store = self.add(
            f"external-secrets.io/{self.platform.target.external_secrets}",
            "ClusterSecretStore",
            {"conditions": [{"namespaces": list(namespaces)}], "provider": {"aws": ssm}},
            annotations=PROTECTED,
        )
