"""The list of charts, and what they render to."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from pkgutil import resolve_name

from catalogue.platform import AnalyticsPlatform, current
from charts import overview
from constructs_lib.errors import DeclarationError, PlatformError, collect
from constructs_lib.kubernetes import App

__all__ = ["CHARTS", "build", "current", "render"]

CHARTS = (
    "charts.cerebro.cerebro_api:CerebroApi",
    "charts.cerebro.cerebro_mcp:CerebroMcp",
    "charts.cerebro.metrics_dashboard:MetricsDashboard",
    "charts.crawlers.beacon_indexer:BeaconIndexer",
    "charts.crawlers.click_runner:ClickRunner",
    "charts.crawlers.cryo_indexer:CryoIndexer",
    "charts.crawlers.ip_crawler:IpCrawler",
    "charts.crawlers.nebula:Nebula",
    "charts.cluster.namespaces:CerebroNamespace",
    "charts.cluster.namespaces:CrawlersNamespace",
    "charts.cluster.secret_store:SecretStore",
    "charts.argocd.applications:Root",
    "charts.argocd.applications:Applications",
)
"""Every chart of the platform, as module and class: a line a service. `Applications` comes last,
since it makes one for each before it."""


def build(platform: AnalyticsPlatform) -> App:
    """All charts in one App. Raises PlatformError with every mistake of every chart."""
    app = App(platform)
    problems: list[str] = []
    for chart in CHARTS:
        collect(problems, partial(_declare, chart, app))
    if problems:
        raise PlatformError(problems)
    return app


def _declare(chart: str, app: App) -> None:
    try:
        declare = resolve_name(chart)
    except (ImportError, AttributeError, ValueError) as error:
        raise DeclarationError(
            f"{chart!r} names no chart ({error}); write package.module:Class, with a comma after",
            where=Path(__file__),
        ) from error
    declare(app)


def render(platform: AnalyticsPlatform) -> dict[str, str]:
    """dist/ as text by path: `cerebro/cerebro-api.k8s.yaml`. Raises PlatformError."""
    app = build(platform)
    return {**app.render(), overview.FILE: overview.render(app, platform)}
