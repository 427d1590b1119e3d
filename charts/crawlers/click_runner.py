"""click-runner: SQL jobs that import third-party data into ClickHouse."""

from collections.abc import Iterator, Mapping
from dataclasses import field

from catalogue.installation import Installation
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from charts.shared import CLICKHOUSE, HTTPS, clickhouse
from constructs_lib.kubernetes import App, Chart, ExternalSecret, Program, ScheduledJob
from constructs_lib.model import Egress, Pending, Resources
from constructs_lib.model.checks import props

_DATABASE = "crawlers_data"

_KEYS = {
    "dune": {"CH_QUERY_VAR_DUNE_API_KEY": Parameters.DUNE_API_KEY},
    "cow": {"CH_QUERY_VAR_COW_API_KEY": Parameters.COW_API_KEY},
    "coingecko": {"COINGECKO_API_KEY": Parameters.COINGECKO_API_KEY},
    "mixpanel": {
        "CH_QUERY_VAR_MIXPANEL_SA_USERNAME": Parameters.MIXPANEL_USERNAME,
        "CH_QUERY_VAR_MIXPANEL_SA_SECRET": Parameters.MIXPANEL_SECRET,
    },
}
"""The keys of each vendor, in the Secret `<vendor>-keys`."""


@props
class Job:
    """A job that fills one or more tables."""

    name: str
    """Name without `click-runner-`."""
    schedule: str
    """Cron, UTC."""
    args: tuple[str, ...]
    """Flags of run_queries.py."""
    env: Mapping[str, str | None] = field(default_factory=dict)
    """Plain variables. The job is not rendered while one of them is None."""
    vendor: str | None = None
    """The vendor whose keys it needs."""
    retries: int = 2
    """0 if a retry would duplicate rows."""
    egress: tuple[Egress, ...] = (HTTPS,)
    """Empty if ClickHouse itself fetches the data."""
    memory: str = "512Mi"
    """Memory limit. More for jobs that buffer data. Our estimate."""


def jobs(known: Installation) -> Iterator[Job]:
    """All jobs, in order of their start time."""
    ember = known.ember_data_url
    yield Job(
        name="ember",
        schedule="0 2 * * *",
        args=_csv(
            "queries/ember", "create_ember_table", "insert_ember_data", "optimize_ember_data"
        ),
        # without the URL, the job is rendered, but fails
        env={} if ember is None else {"CH_QUERY_VAR_EMBER_DATA_URL": ember},
        egress=(),
    )
    yield from _dune(known)
    yield Job(
        name="circles-blacklist",
        schedule="0 3 * * *",
        args=(
            "--ingestor=query",
            "--queries="
            + ",".join(
                f"queries/circles/blacklist/{step}.sql"
                for step in ("create_table", "truncate", "insert", "optimize")
            ),
        ),
        env={"CH_QUERY_VAR_CIRCLES_BLACKLIST_URL": known.circles_blacklist_url},
        egress=(),
    )
    yield Job(
        name="cow",
        schedule="0 3 * * *",
        args=(
            "--ingestor=cow",
            "--cow-mode=daily",
            "--cow-lookback-days=7",
            "--create-table-sql=queries/cow/create_table.sql",
            f"--table-name={_DATABASE}.cow_api_trade_fees",
            "--cow-source-table=dbt.int_execution_cow_trades",
        ),
        env={"CH_QUERY_VAR_COW_DATABASE": _DATABASE},
        vendor="cow",
        memory="1Gi",
    )
    yield from _mixpanel(known)
    yield Job(
        name="governance-snapshot",
        schedule="45 3 * * *",
        args=("--ingestor=snapshot", "--snapshot-mode=daily"),
        env={
            "CH_QUERY_VAR_GOVERNANCE_DATABASE": "governance_db",
            "CH_QUERY_VAR_SNAPSHOT_SPACE": "gnosis.eth",
        },
    )
    yield Job(
        name="governance-forum",
        schedule="0 4 * * *",
        args=("--ingestor=forum", "--forum-mode=daily"),
        env={
            "CH_QUERY_VAR_GOVERNANCE_DATABASE": "governance_db",
            "CH_QUERY_VAR_DISCOURSE_BASE_URL": "https://forum.gnosis.io",
        },
        memory="1Gi",
    )
    yield Job(name="defillama", schedule="15 4 * * *", args=_prices("defillama"))
    yield Job(
        name="coingecko",
        schedule="30 4 * * *",
        args=_prices("coingecko"),
        vendor="coingecko",
    )


def _dune(known: Installation) -> Iterator[Job]:
    queries = {
        "labels": (known.dune_labels_query_id, "_DAY", "insert_daily"),
        "prices": (known.dune_prices_query_id, "_DAY", "insert_daily"),
        "bridge-flows": (known.dune_bridge_flows_query_id, "_DAY", "insert_daily"),
        "gno-supply": (known.dune_gno_supply_query_id, "", "insert"),
    }
    for name, (query_id, period, insert) in queries.items():
        table = name.replace("-", "_")
        yield Job(
            name=f"dune-{name}",
            schedule="0 3 * * *",  # for gno-supply our estimate
            args=_csv(f"queries/dune/{table}", "create_table", insert),
            env={f"CH_QUERY_VAR_DUNE_{table.upper()}_QUERY_ID{period}": query_id},
            vendor="dune",
            retries=0,
            egress=(),
        )


def _mixpanel(known: Installation) -> Iterator[Job]:
    ingestors = {
        "events": ("0 3 * * *", "mixpanel", ("--mixpanel-mode=daily",)),
        "profiles": ("30 3 * * *", "mixpanel-profiles", ()),
    }
    for name, (schedule, ingestor, mode) in ingestors.items():
        table = f"queries/{ingestor.replace('-', '_')}/create_{name}_table.sql"
        yield Job(
            name=f"mixpanel-{name}",
            schedule=schedule,
            args=(f"--ingestor={ingestor}", *mode, f"--create-table-sql={table}"),
            env={
                "CH_QUERY_VAR_MIXPANEL_PROJECT_ID": known.mixpanel_project_id,
                "CH_QUERY_VAR_MIXPANEL_DATABASE": "mixpanel",
                "MIXPANEL_REGION": known.mixpanel_region,
            },
            vendor="mixpanel",
            memory="1Gi",
        )


def _csv(folder: str, create: str, insert: str, optimize: str | None = None) -> tuple[str, ...]:
    statements = {"create-table": create, "insert": insert, "optimize": optimize}
    return (
        "--ingestor=csv",
        *(f"--{step}-sql={folder}/{sql}.sql" for step, sql in statements.items() if sql),
    )


def _prices(source: str) -> tuple[str, ...]:
    return (
        "--ingestor=external-prices",
        f"--external-prices-source={source}",
        "--external-prices-mode=daily",
        "--external-prices-daily-lag-days=1",
        f"--external-prices-database={_DATABASE}",
    )


class ClickRunner(Chart):
    """SQL jobs that import third-party data into ClickHouse, each a separate CronJob.

    Each vendor has a separate Secret, so that a missing key affects only the jobs of that vendor.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "click-runner", namespace="crawlers")
        known = AnalyticsPlatform.of(self).installation
        self._clickhouse = ExternalSecret(self, "clickhouse-credentials", clickhouse("CH_"))
        self._vendors: dict[str, ExternalSecret] = {}
        for job in jobs(known):
            env = {name: value for name, value in job.env.items() if value is not None}
            missing = tuple(name for name in job.env if name not in env)
            keys = _KEYS[job.vendor] if job.vendor else {}
            if missing:
                name = f"click-runner-{job.name}"
                self.pending.append(Pending(name, missing, tuple(keys.values())))
                continue
            if job.vendor and job.vendor not in self._vendors:
                self._vendors[job.vendor] = ExternalSecret(self, f"{job.vendor}-keys", keys)
            self._add(job, env)

    def _add(self, job: Job, env: Mapping[str, str]) -> None:
        keys = (self._vendors[job.vendor],) if job.vendor else ()
        ScheduledJob(
            self,
            f"click-runner-{job.name}",
            schedule=job.schedule,
            program=Program(
                image="click-runner",
                command=("python", "run_queries.py"),
                args=job.args,
                env={"CH_PORT": "8443", "CH_SECURE": "True", "CH_DB": _DATABASE, **env},
                shared_secrets=(self._clickhouse, *keys),
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", job.memory)),
                egress=(CLICKHOUSE, *job.egress),
                ignores_sigterm=True,
            ),
            retries=job.retries,
            deadline_seconds=6 * 3600,
            grace_seconds=10,
        )
