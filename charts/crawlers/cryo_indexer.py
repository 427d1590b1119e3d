"""cryo-indexer."""

from dataclasses import replace

from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, clickhouse
from constructs_lib.kubernetes import (
    App,
    Chart,
    ExternalSecret,
    Program,
    ReleaseJob,
    ScheduledJob,
    SingleWriter,
)
from constructs_lib.model import Egress, HttpGet, Probe, Resources

_EXECUTION_RPC = Egress((443, 8545), to="anywhere")
"""A provider's endpoint, or a node inside the VPC."""


class CryoIndexer(Chart):
    """Blocks, transactions, logs, contracts, transfers and traces of Gnosis Chain."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "cryo-indexer", namespace="crawlers")
        database = ExternalSecret(self, "cryo-indexer-clickhouse", clickhouse())
        node = ExternalSecret(
            self, "cryo-indexer-rpc", {"ETH_RPC_URL": Parameters.EXECUTION_RPC_URL}
        )
        indexer = Program(
            image="cryo-indexer",
            env={
                "NETWORK_NAME": "gnosis",
                "CLICKHOUSE_DATABASE": "execution",
                "OPERATION": "continuous",
                "MODE": "custom",
                "DATASETS": "blocks,transactions,logs,contracts,native_transfers,traces",
                "WORKERS": "1",
                "BATCH_SIZE": "100",
                "CONFIRMATION_BLOCKS": "720",
                "POLL_INTERVAL": "60",
            },
            shared_secrets=(database, node),
            scratch={"/app/data": "10Gi", "/app/logs": "1Gi"},
            resources=Resources(
                cpu=("500m", "2"),
                memory=("1Gi", "4Gi"),
                ephemeral_storage=("2Gi", "12Gi"),
            ),
            egress=(CLICKHOUSE, _EXECUTION_RPC),
        )
        ReleaseJob(
            self,
            "cryo-indexer-migrations",
            program=replace(
                indexer,
                args=("migrations",),
                shared_secrets=(database,),
                scratch={"/app/data": "64Mi", "/app/logs": "64Mi"},
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", "512Mi")),
                egress=(CLICKHOUSE,),
            ),
        )
        SingleWriter(
            self,
            "cryo-indexer",
            program=indexer,
            port=9090,
            liveness=Probe(HttpGet("/health"), period_seconds=30),
            startup=Probe(HttpGet("/health"), period_seconds=10, failure_threshold=30),
        )
        # A stopped writer leaves its range as `processing`; this job retries such ranges.
        ScheduledJob(
            self,
            "cryo-indexer-auto-maintain",
            schedule="0 */4 * * *",
            program=replace(indexer, env={**indexer.env, "OPERATION": "auto-maintain"}),
            retries=1,
            deadline_seconds=4 * 3600,
        )
