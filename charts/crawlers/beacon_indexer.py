"""beacon-indexer."""

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

_BEACON_API = Egress((443, 5052), to="anywhere")
"""A provider's endpoint, or a node inside the VPC."""
_HEALTHY = Probe(HttpGet("/health"), period_seconds=30)
# the port opens only after the program has connected to ClickHouse
_STARTED = Probe(HttpGet("/health"), period_seconds=10, failure_threshold=60)
_STOP_SECONDS = 10
_HEAVY = Resources(cpu=("500m", "2"), memory=("1Gi", "4Gi"))


class BeaconIndexer(Chart):
    """The consensus layer of Gnosis Chain: loads raw data and transforms it into tables."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "beacon-indexer", namespace="crawlers")
        database = ExternalSecret(self, "beacon-indexer-clickhouse", clickhouse())
        node = ExternalSecret(
            self, "beacon-indexer-node", {"BEACON_NODE_URL": Parameters.BEACON_NODE_URL}
        )
        program = Program(
            image="beacon-indexer",
            env={
                "CLICKHOUSE_PORT": "8443",
                "CLICKHOUSE_SECURE": "true",
                "CLICKHOUSE_DATABASE": "consensus",
            },
            shared_secrets=(database,),
            resources=Resources(cpu=("500m", "1"), memory=("1Gi", "2Gi")),
            egress=(CLICKHOUSE,),
            ignores_sigterm=True,
        )
        loader = replace(program, shared_secrets=(database, node), egress=(CLICKHOUSE, _BEACON_API))
        ReleaseJob(
            self,
            "beacon-indexer-migrations",
            program=replace(
                program,
                args=("migrate",),
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", "512Mi")),
            ),
        )
        self._add_workers(program, loader)
        self._add_validators(loader)

    def _add_workers(self, program: Program, loader: Program) -> None:
        realtime = replace(
            loader,
            args=("load", "realtime"),
            env={
                **program.env,
                "ENABLED_LOADERS": "blocks,rewards,data_column_sidecars",
                "CHUNK_SIZE": "100",
                "REALTIME_SLOT_DELAY": "700",
            },
        )
        transform = replace(
            program,
            args=("transform", "run", "--continuous"),
            # more than one chunk of validator data does not fit into memory
            env={**program.env, "TRANSFORM_CHUNKS_PER_BATCH": "1"},
            resources=_HEAVY,
        )
        for name, worker in (("realtime", realtime), ("transform", transform)):
            SingleWriter(
                self,
                f"beacon-indexer-{name}",
                program=worker,
                port=9090,
                liveness=_HEALTHY,
                startup=_STARTED,
                grace_seconds=_STOP_SECONDS,
            )

    def _add_validators(self, loader: Program) -> None:
        ScheduledJob(
            self,
            "beacon-indexer-validators",
            schedule="0 2 * * *",
            program=replace(
                loader,
                args=("load", "backfill"),
                env={**loader.env, "ENABLED_LOADERS": "validators", "CHUNK_SIZE": "100"},
                resources=_HEAVY,
            ),
            retries=1,
            deadline_seconds=12 * 3600,  # a run takes more than four hours
            grace_seconds=_STOP_SECONDS,
        )
