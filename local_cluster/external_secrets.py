"""The External Secrets Operator, which reads from the emulated Parameter Store."""

from pathlib import Path

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

    def conditions(self) -> dict[str, tuple[str, str]]:
        """Status and message of the condition Ready of each ExternalSecret, by `namespace/name`."""
        ready = {}
        for secret in self._cluster.list("ExternalSecret"):
            name = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
            conditions = secret.get("status", {}).get("conditions", ())
            state = {condition["type"]: condition for condition in conditions}.get("Ready", {})
            ready[name] = (state.get("status", ""), state.get("message", ""))
        return ready

    def wait_until_synced(self) -> None:
        """Wait until every ExternalSecret is SecretSynced."""

        def all_synced() -> bool:
            ready = self.conditions()
            others = {name: state for name, state in ready.items() if state[0] != "True"}
            assert not others, str(others)
            return bool(ready)

        eventually("every ExternalSecret SecretSynced", all_synced)
