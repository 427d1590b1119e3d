"""The list of charts, and their rendering."""

import re
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import cdk8s

import overview
from catalogue.platform import AnalyticsPlatform, current
from charts import output
from constructs_lib.errors import DeclarationError, PlatformError, errors_of
from constructs_lib.kubernetes import App, ChartFiles

__all__ = ["CHARTS", "build", "current", "render", "write"]

CHARTS = (
    "charts.cerebro.cerebro_api:CerebroApi",
    "charts.cerebro.cerebro_mcp:CerebroMcp",
    "charts.cerebro.metrics_dashboard:MetricsDashboard",
    "charts.crawlers.beacon_indexer:BeaconIndexer",
    "charts.crawlers.click_runner:ClickRunner",
    "charts.crawlers.cryo_indexer:CryoIndexer",
    "charts.crawlers.ip_crawler:IpCrawler",
    "charts.crawlers.nebula:Nebula",
    "charts.cluster.namespaces:declare",
)
"""Every chart of the platform, as `module:class`, one line per service."""
DERIVED = (
    "charts.cluster.namespaces:SecretStore",
    "charts.argocd.applications:Root",
    "charts.argocd.applications:Applications",
)
"""Charts generated from the objects of CHARTS, and therefore declared last."""
_ENTRY = re.compile(r"\w+(\.\w+)*:\w+")


def unlisted() -> list[Path]:
    """The Python files next to the charts that CHARTS does not list."""
    modules = [chart.partition(":")[0] for chart in (*CHARTS, *DERIVED)]
    root = Path(__file__).parents[1]
    listed = {root / f"{module.replace('.', '/')}.py" for module in modules}
    folders = {file.parent for file in listed if file.exists()} - {Path(__file__).parent}
    return sorted({file for folder in folders for file in folder.glob("[!_]*.py")} - listed)


def build(platform: AnalyticsPlatform) -> App:
    """All charts in one App. Raises PlatformError with the errors of all charts."""
    app = App(platform)
    declared: list[cdk8s.Chart] = []
    for charts in (CHARTS, DERIVED):
        problems = [one for chart in charts for one in _errors(chart, app, declared)]
        if problems:
            if charts is CHARTS:  # the others read the objects of all
                problems += errors_of(lambda: app.check(declared))
            raise PlatformError(dict.fromkeys(problems))  # of what several charts import, once
    return app


def _errors(chart: str, app: App, declared: list[cdk8s.Chart]) -> list[str]:
    """The errors of a chart. Those of its entry name the line of the entry, not the running one."""
    lines = enumerate(Path(__file__).read_text("utf-8").splitlines(), 1)
    line = next((f":{number}" for number, text in lines if f'"{chart}"' in text), "")
    errors = errors_of(lambda: declared.extend(_declare(chart, app)))
    return [re.sub(r"(?<=charts/registry\.py):\d+(?=\)$)", line, one) for one in errors]


def _declare(chart: str, app: App) -> Sequence[Any]:
    if (*CHARTS, *DERIVED).count(chart) > 1:
        raise DeclarationError(f"{chart!r} is listed twice; keep one", where=Path(__file__))
    if not _ENTRY.fullmatch(chart):
        raise DeclarationError(
            f"{chart!r} is not a chart; write package.module:Class, and a comma between two charts",
            where=Path(__file__),
        )
    declare = resolve_name(chart)
    declared = declare(app) if callable(declare) else None
    charts = declared if isinstance(declared, (list, tuple)) else [declared]
    if not charts or not all(isinstance(one, cdk8s.Chart) for one in charts):
        raise DeclarationError(
            f"{chart!r} declares no chart; write package.module:Class, or a function that returns "
            "its charts",
            where=Path(__file__),
        )
    return charts


def render(platform: AnalyticsPlatform) -> dict[str, str]:
    """dist/ as text by path: `cerebro/cerebro-api.k8s.yaml`. Raises PlatformError."""
    return write(build(platform).validate(), platform)


def write(files: ChartFiles, platform: AnalyticsPlatform) -> dict[str, str]:
    """dist/ as text by path, from the validated files."""
    return {
        **files.render(),
        output.PENDING: output.pending_text(files),
        overview.FILE: overview.render(files, platform),
    }
