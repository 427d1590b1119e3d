"""The External Secrets Operator, which reads from the emulated Parameter Store."""

import time
from pathlib import Path

from constructs_lib.model import Manifest
from local_cluster.aws import Aws
from local_cluster.cluster import Cluster
from local_cluster.processes import Processes, answers, eventually, free_port


class ExternalSecrets:
    """The operator on a cluster, which serves one version of its API: `v1beta1` or `v1`."""

    def __init__(
        self, processes: Processes, cluster: Cluster, aws: Aws, served: str, program: Path
    ) -> None:
        self._cluster = cluster
        self.served = served
        metrics = free_port()
        arguments = [f"--metrics-addr=127.0.0.1:{metrics}", "--concurrent=4"]
        if served == "v1":
            arguments.append(f"--live-addr=127.0.0.1:{free_port()}")
        processes.start(
            "external-secrets",
            program,
            *arguments,
            environment={
                **aws.environment,
                "AWS_SSM_ENDPOINT": aws.endpoint,
                "AWS_STS_ENDPOINT": aws.endpoint,
                "KUBECONFIG": str(cluster.kubeconfig),
            },
            ready=lambda: answers(f"http://127.0.0.1:{metrics}/metrics"),
        )

    def _force_sync(self, name: str, namespace: str) -> None:
        """Refresh now instead of at the next refreshInterval."""
        note = {"force-sync": str(time.time_ns())}
        self._cluster.annotate("ExternalSecret", name, namespace, note)

    def sync(self, name: str, namespace: str) -> None:
        """Refresh an ExternalSecret, and wait until every one is synced."""
        self._force_sync(name, namespace)
        self.wait_until_synced()

    def fail_to_sync(self, name: str, namespace: str) -> None:
        """Refresh an ExternalSecret, and wait until its sync has failed."""
        self._force_sync(name, namespace)

        def failed() -> bool:
            stored = self._cluster.get("ExternalSecret", name, namespace) or {}
            return bool(_ready(stored).get("status") == "False")

        eventually(f"the sync of {name} failed", failed)

    def wait_until_synced(self) -> None:
        """Wait until every ExternalSecret is SecretSynced."""

        def all_synced() -> bool:
            stored = self._cluster.list("ExternalSecret")
            others = {
                f"{it['metadata']['namespace']}/{it['metadata']['name']}": _ready(it)
                for it in stored
                if _ready(it).get("status") != "True"
            }
            assert not others, str(others)
            return bool(stored)

        eventually("every ExternalSecret SecretSynced", all_synced)


def _ready(external_secret: Manifest) -> Manifest:
    """Its Ready condition, or an empty dict."""
    conditions: list[Manifest] = external_secret.get("status", {}).get("conditions", [])
    return next((it for it in conditions if it["type"] == "Ready"), {})
