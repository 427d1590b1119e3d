"""The platform with the services that the tests of the commands and the review name.

Their figures and lists stay the same when a service is added to charts/registry.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from unittest.mock import patch

from catalogue.platform import AnalyticsPlatform, current
from charts import registry
from charts.cluster import namespaces
from constructs_lib.kubernetes import App
from constructs_lib.manifests.objects import Object

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
NAMESPACES = ("cerebro", "crawlers")


@contextmanager
def only() -> Iterator[None]:
    """Let the registry consist of the charts and the two namespaces."""
    limits = tuple(one for one in namespaces.NAMESPACES if one.name in NAMESPACES)
    with patch.object(registry, "CHARTS", CHARTS), patch.object(namespaces, "NAMESPACES", limits):
        yield


@cache
def platform() -> AnalyticsPlatform:
    """The platform, without what only other services use."""
    now = current()
    with only():
        declared = registry.build(now).files()
    pending = [parameter.path for job in declared.pending for parameter in job.parameters]
    text = str((declared.objects, pending))
    keys = [str(Object.of(item).key) for item in declared.objects]
    return replace(
        now,
        images={name: pin for name, pin in now.images.items() if f"/{name}:" in text},
        hosts=tuple(host for host in now.hosts if repr(host) in text),
        parameters=tuple(path for path in now.parameters if repr(path) in text),
        waivers=tuple(
            waiver
            for waiver in now.waivers
            if any(waiver.covers(waiver.checks[0], key) for key in keys)
        ),
    )


def app() -> App:
    """All charts in one App."""
    with only():
        return registry.build(platform())
