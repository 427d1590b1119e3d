"""Renders dist/README.md, an overview of the rendered objects."""

from __future__ import annotations

from catalogue.platform import AnalyticsPlatform
from constructs_lib.kubernetes import ChartFiles
from overview import diagrams, tables
from overview.inventory import Inventory

FILE = "README.md"
_PAGE = """\
# What runs

Rendered by `make synth` together with the manifests in this folder. Do not edit.

## Hosts, services, pods

{pods}
{services}
## Parameters, secrets, pods

{secrets}
{parameters}
## Scheduled jobs

The chart shows start times in UTC. The length of a bar is not the duration.

{day}
{jobs}
## Images

{images}
## Hosts

{hosts}
## Capacity

Peak requests and limits of all pods: a rolling update of every web service, with the old pods still
terminating, while every job runs.

{capacity}
## Open items

Settings that the operator has yet to provide. Images on `latest` (above) are open items, too.

{items}"""


def render(files: ChartFiles, platform: AnalyticsPlatform) -> str:
    """The page, as Markdown with Mermaid diagrams that GitHub draws."""
    inventory = Inventory(files)
    return _PAGE.format(
        pods=diagrams.pods(inventory),
        services=tables.services(inventory),
        secrets=diagrams.secrets(inventory),
        parameters=tables.parameters(inventory, platform),
        day=diagrams.day(inventory),
        jobs=tables.jobs(inventory),
        images=tables.images(inventory),
        hosts=tables.hosts(inventory),
        capacity=tables.capacity_table(inventory),
        items=tables.open_items(inventory, platform),
    )
