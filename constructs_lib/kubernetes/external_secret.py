"""SSM parameters as Kubernetes Secrets, by the External Secrets Operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.model import ClusterTarget, Parameter
from constructs_lib.names import check_object_name, check_variable

STORE = "aws-ssm"
PULL_SECRET = "ghcr-pull-secret"  # noqa: S105 the name of a Secret
PROTECTED = {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
"""On what Argo CD must never delete: what it holds up would fall with it."""

_REFRESH = {"v1beta1": "1h", "v1": "1h0m0s"}  # each as a controller of that version stores it
_REMOTE_DEFAULTS = {
    # The API server fills these in; what is not written here would show as drift for ever.
    "conversionStrategy": "Default",
    "decodingStrategy": "None",
    "metadataPolicy": "None",
}


@checked
class ExternalSecret(Construct):
    """A Secret whose keys are environment variables, each read from one SSM parameter.

    Its id is the name of the Secret. One parameter that is missing keeps the whole Secret from
    its next refresh, so what should not stop together belongs into Secrets of their own.
    """

    def __init__(self, scope: Construct, name: str, keys: Mapping[str, Parameter]) -> None:
        """Raises DeclarationError for a name that Kubernetes or an environment refuses."""
        check_object_name(name)
        super().__init__(scope, name)
        self.name = name
        self.keys = dict(keys)
        for variable in keys:
            check_variable(variable)
        if not keys:
            raise DeclarationError("reads no parameter; leave it out", where=self.node.path)
        self.external_secret = _add(self, Chart.of(scope), name, self.keys)
        """The ExternalSecret."""


@checked
class SecretFiles(Construct):
    """A Secret whose keys are files of a container, each read from one SSM parameter.

    `Program.secret_files` makes it; its id is the name of the Secret.
    """

    def __init__(self, scope: Construct, name: str, keys: Mapping[str, Parameter]) -> None:
        """`keys` are the names of the files in the Secret."""
        check_object_name(name)
        super().__init__(scope, name)
        self.name = name
        self.keys = dict(keys)
        self.external_secret = _add(self, Chart.of(scope), name, self.keys)
        """The ExternalSecret."""


@checked
class RegistryCredentials(Construct):
    """The Secret `ghcr-pull-secret`, of the type that the kubelet reads, from one parameter.

    Protected: without it no pod of the namespace could be pulled.
    """

    def __init__(self, scope: Construct, parameter: Parameter) -> None:
        """`parameter` holds a docker config.json."""
        super().__init__(scope, PULL_SECRET)
        template = {
            "engineVersion": "v2",
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "{{ .dockerconfigjson }}"},
        }
        keys = {"dockerconfigjson": parameter}
        self.external_secret = _add(
            self,
            Chart.of(scope),
            PULL_SECRET,
            keys,
            template=template,
            annotations=PROTECTED,
        )
        """The ExternalSecret."""


@checked
class ParameterStore(Construct):
    """The ClusterSecretStore `aws-ssm`: SSM in the platform's region, for some namespaces only.

    It names no credentials: External Secrets uses those of its own service account.
    """

    def __init__(self, scope: Construct, *, namespaces: tuple[str, ...]) -> None:
        """`namespaces` are those whose ExternalSecrets may use it."""
        super().__init__(scope, STORE)
        chart = Chart.of(scope)
        platform = chart.platform
        self.cluster_secret_store = chart.add_custom(
            self,
            api_version(platform.target),
            "ClusterSecretStore",
            chart.metadata(STORE, annotations=PROTECTED, namespaced=False),
            {
                "conditions": [{"namespaces": list(namespaces)}],
                "provider": {"aws": {"service": "ParameterStore", "region": platform.region}},
            },
        )


def api_version(target: ClusterTarget) -> str:
    """`external-secrets.io/v1beta1`, or what the cluster target names."""
    return f"external-secrets.io/{target.external_secrets}"


def _add(
    owner: Construct,
    chart: Chart,
    name: str,
    keys: Mapping[str, Parameter],
    *,
    template: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> KubeObject:
    platform = chart.platform
    return chart.add_custom(
        owner,
        api_version(platform.target),
        "ExternalSecret",
        chart.metadata(name, annotations=annotations),
        {
            "refreshInterval": _REFRESH[platform.target.external_secrets],
            "secretStoreRef": {"name": STORE, "kind": "ClusterSecretStore"},
            "target": {
                "name": name,
                "creationPolicy": "Owner",
                **({"template": template} if template else {}),
            },
            "data": [
                {"secretKey": key, "remoteRef": {"key": parameter.path, **_REMOTE_DEFAULTS}}
                for key, parameter in keys.items()
            ],
        },
    )
