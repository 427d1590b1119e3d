"""The build and runs of each image in docker/: arguments of the charts, checks, grace periods.

A sample is a tiny repository with the paths that the Dockerfile copies from the real one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import checks
from .containers import Container, Program

SAMPLES = Path(__file__).parent / "samples"
REGISTRY = "localhost/gnosis"

Check = Callable[[Container], None]


@dataclass(frozen=True)
class Run:
    """A run of the image: by default a server that gets healthy and is stopped."""

    name: str
    program: Program = field(default_factory=Program)
    beside: Program | None = None
    """A second container of the same pod, from the same image."""
    check: Check | None = None
    output: str | None = None
    """For a program that exits by itself: text in the output of a successful run."""


@dataclass(frozen=True)
class PlannedImage:
    """An image and its runs."""

    name: str
    runs: tuple[Run, ...]
    arguments: dict[str, str] = field(default_factory=dict)
    """Build arguments."""
    upstream: tuple[str, str] | None = None
    """For a build that fetches another repository: the prefix of its two arguments, a sample."""
    grace_seconds: float = 30

    @property
    def tag(self) -> str:
        return f"{REGISTRY}/{self.name}:sample"


_EMBER = (
    "--ingestor=csv",
    "--create-table-sql=queries/ember/create_ember_table.sql",
    "--insert-sql=queries/ember/insert_ember_data.sql",
    "--optimize-sql=queries/ember/optimize_ember_data.sql",
)

_API = Program(("api",), env={"API_KEY": checks.DASHBOARD_KEY})

IMAGES = (
    PlannedImage(
        "cerebro-api",
        (Run("serve", Program(env={"FORWARDED_ALLOW_IPS": "*"}), check=checks.sees_the_visitor),),
    ),
    PlannedImage(
        "cerebro-mcp", (Run("serve", Program(("--sse",)), check=checks.has_the_built_page),)
    ),
    PlannedImage(
        "metrics-dashboard",
        (Run("web and api", beside=_API, check=checks.dashboard), Run("api alone", _API)),
        arguments={"VITE_API_KEY": checks.DASHBOARD_KEY},
    ),
    PlannedImage(
        "cryo-base",
        (
            Run("default", output="usage: cryo"),
            Run("patched", Program(("cryo", "help", "blocks")), output="\nwithdrawals\n"),
        ),
        upstream=("CRYO", "cryo"),
    ),
    PlannedImage(
        "cryo-indexer",
        (
            Run("worker", Program((), env={"OPERATION": "continuous"})),
            Run(
                "migrations",
                Program(("migrations",), env={"MIGRATIONS_DIR": "/app/migrations_live"}),
                output="migrations_live/001_blocks.sql",
            ),
        ),
        arguments={"CRYO_BASE": f"{REGISTRY}/cryo-base:sample"},
    ),
    PlannedImage(
        "beacon-indexer",
        (
            Run("realtime", Program(("load", "realtime"))),
            Run("transform", Program(("transform", "run", "--continuous"))),
            Run("validators", Program(("load", "backfill"))),
            Run("migrate", Program(("migrate",)), output="migrations/001_specs.sql"),
        ),
    ),
    PlannedImage(
        "nebula",
        (Run("crawl", Program(("crawl",)), check=checks.has_awk),),
        upstream=("NEBULA", "nebula"),
        grace_seconds=60,
    ),
    PlannedImage("ip-crawler", (Run("crawl"),)),
    PlannedImage(
        "click-runner",
        (
            Run("ember", Program(_EMBER), output="optimize_ember_data"),
            Run(
                "ember by command",
                Program(_EMBER, command=("python", "run_queries.py")),
                output="optimize_ember_data",
            ),
            Run("forum", Program(("--ingestor=forum",))),
        ),
    ),
)
