"""dist/README.md: what runs, at a glance, rendered with the manifests and from the same objects."""

from __future__ import annotations

from catalogue.platform import AnalyticsPlatform
from constructs_lib.kubernetes import Snapshot
from overview import maps, tables
from overview.inventory import Inventory

FILE = "README.md"
_PAGE = """\
# What runs

Rendered by `make synth` with everything below this folder, and never edited by hand.

## Hosts, services, pods

{pods}
{services}
## Parameters, secrets, pods

{secrets}
{parameters}
## The day's jobs

A mark is a start, in UTC; how long a run takes is not known here.

{day}
{jobs}
## Images

{images}
## Hosts

{hosts}
## Capacity

What all pods ask for at the worst moment: a rolling update of every web service, with the old pods
still ending, while every job runs.

{capacity}
## Open items

What only the operator knows. An image on `latest`, above, is open, too.

{items}"""


def render(snapshot: Snapshot, platform: AnalyticsPlatform) -> str:
    """The page, as Markdown with Mermaid diagrams that GitHub draws."""
    inventory = Inventory(snapshot.files)
    return _PAGE.format(
        pods=maps.pods(inventory),
        services=tables.services(inventory),
        secrets=maps.secrets(inventory),
        parameters=tables.parameters(inventory, platform),
        day=maps.day(inventory),
        jobs=tables.jobs(inventory),
        images=tables.images(inventory),
        hosts=tables.hosts(inventory),
        capacity=tables.capacity_table(inventory),
        items=tables.open_items(inventory, platform),
    )
