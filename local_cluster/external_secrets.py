"""The External Secrets Operator, which reads from the emulated Parameter Store."""

import time

from local_cluster.aws import Aws
from local_cluster.cluster import Cluster, Object
from local_cluster.installing import Installed
from local_cluster.processes import Processes, answers, free_port
from local_cluster.waiting import eventually


class ExternalSecrets:
    """The operator on a cluster."""

    def __init__(
        self, processes: Processes, cluster: Cluster, aws: Aws, served: str, installed: Installed
    ) -> None:
        self._cluster = cluster
        self.api_version = f"external-secrets.io/{served}"
        metrics = free_port()
        arguments = [f"--metrics-addr=127.0.0.1:{metrics}", "--concurrent=4"]
        if served == "v1":
            arguments.append(f"--live-addr=127.0.0.1:{free_port()}")
        self.process = processes.start(
            "external-secrets",
            installed.path,
            *arguments,
            environment={
                **aws.environment,
                "AWS_SSM_ENDPOINT": aws.endpoint,
                "AWS_STS_ENDPOINT": aws.endpoint,
                "KUBECONFIG": str(cluster.kubeconfig),
            },
            ready=lambda: answers(f"http://127.0.0.1:{metrics}/metrics"),
        )

    def force_sync(self, name: str, namespace: str) -> None:
        """Refresh now instead of at the next refreshInterval."""
        note = {"force-sync": str(time.time_ns())}
        self._cluster.annotate("ExternalSecret", name, namespace, note)

    def ready(self, name: str, namespace: str) -> Object:
        """The Ready condition of an ExternalSecret, or an empty dict."""
        return _ready(self._cluster.get("ExternalSecret", name, namespace) or {})

    def fails(self, name: str, namespace: str) -> bool:
        """Whether the sync of an ExternalSecret failed."""
        return bool(self.ready(name, namespace).get("status") == "False")

    def wait_until_synced(self, within: float = 60) -> int:
        """Wait until every ExternalSecret is SecretSynced; returns their number."""

        def all_synced() -> int:
            found = self._cluster.list("ExternalSecret")
            others = {
                f"{one['metadata']['namespace']}/{one['metadata']['name']}": _ready(one)
                for one in found
                if _ready(one).get("status") != "True"
            }
            assert not others, str(others)
            return len(found)

        return eventually("every ExternalSecret SecretSynced", all_synced, within)


def _ready(external_secret: Object) -> Object:
    conditions: list[Object] = external_secret.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {})
