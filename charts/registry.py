"""The list of charts, and what they render to."""

from __future__ import annotations

from functools import partial

from catalogue import platform as catalogue
from catalogue.platform import AnalyticsPlatform
from charts import overview
from charts.argocd.applications import Applications, Root
from charts.cerebro.cerebro_api import CerebroApi
from charts.cerebro.cerebro_mcp import CerebroMcp
from charts.cerebro.metrics_dashboard import MetricsDashboard
from charts.cluster.namespaces import CerebroNamespace, CrawlersNamespace
from charts.cluster.secret_store import SecretStore
from charts.crawlers.beacon_indexer import BeaconIndexer
from charts.crawlers.click_runner import ClickRunner
from charts.crawlers.cryo_indexer import CryoIndexer
from charts.crawlers.ip_crawler import IpCrawler
from charts.crawlers.nebula import Nebula
from constructs_lib.errors import PlatformError, collect
from constructs_lib.kubernetes import App

CHARTS = (
    CerebroApi,
    CerebroMcp,
    MetricsDashboard,
    BeaconIndexer,
    ClickRunner,
    CryoIndexer,
    IpCrawler,
    Nebula,
    CerebroNamespace,
    CrawlersNamespace,
    SecretStore,
    Root,
    Applications,
)
"""Every chart of the platform. `Applications` comes last: it makes one for each before it."""


def build(platform: AnalyticsPlatform) -> App:
    """All charts in one App. Raises PlatformError with every mistake of every chart."""
    app = App(platform)
    problems: list[str] = []
    for chart in CHARTS:
        collect(problems, partial(chart, app))
    if problems:
        raise PlatformError(problems)
    return app


def render(platform: AnalyticsPlatform) -> dict[str, str]:
    """dist/ as text by path: `cerebro/cerebro-api.k8s.yaml`. Raises PlatformError."""
    app = build(platform)
    return {**app.render(), overview.FILE: overview.render(app, platform)}


def current() -> AnalyticsPlatform:
    """The platform as committed; every mistake in the catalogue is a PlatformError."""
    return catalogue.current()
