"""Renders dist/README.md, an overview of the rendered objects."""

from collections import defaultdict
from collections.abc import Sequence

from catalogue import open_items as catalogue
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from constructs_lib.kubernetes import ChartFiles
from constructs_lib.manifests import capacity, network
from constructs_lib.manifests.references import ImageReference, remote_keys, repository, secret_of
from constructs_lib.manifests.workload import Workload, pods_in_words
from constructs_lib.model.quantity import readable
from constructs_lib.model.schedule import words
from constructs_lib.model.text import plural, table
from overview import diagrams
from overview.diagrams import Inventory, spelled

FILE = "README.md"
_SOURCES = "https://github.com/"
_OUR_REGISTRY = "ghcr.io/"
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
        services=_services(inventory),
        secrets=diagrams.secrets(inventory),
        parameters=_parameters(inventory, platform),
        day=diagrams.day(inventory),
        jobs=_jobs(inventory),
        images=_images(inventory),
        hosts=_hosts(inventory),
        capacity=_capacity(inventory),
        items=_open_items(inventory, platform),
    )


def _services(inventory: Inventory) -> str:
    rows = (
        (f"[{chart.name}]({chart.path})", chart.description, "<br>".join(_summed(workloads)))
        for chart, workloads in inventory.workloads.items()
    )
    return table(("Service", "Description", "Workloads"), rows)


def _summed(workloads: Sequence[Workload]) -> list[str]:
    serving = [workload for workload in workloads if workload.kind not in ("CronJob", "Job")]
    lines = [
        f"{f'{workload.name}: ' if len(serving) > 1 else ''}"
        f"{pods_in_words(workload.replicas)}, {workload.update.manner}"
        for workload in serving
    ]
    for kind, noun, when in (("CronJob", "scheduled job", ""), ("Job", "job", " with each sync")):
        if count := sum(workload.kind == kind for workload in workloads):
            lines.append(f"{plural(count, noun)}{when}")
    return lines


def _parameters(inventory: Inventory, platform: AnalyticsPlatform) -> str:
    """The SSM parameters, and the keys and Secrets that they are read into."""
    secrets: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for _, secret in inventory.of("ExternalSecret"):
        for key, path in remote_keys(secret.manifest):
            secrets[path][f"`{key}` in"].append(secret_of(secret.manifest))
    for pending in inventory.files.pending:
        for parameter in pending.parameters:
            secrets[parameter.path]["once they are rendered:"].append(pending.name)
    descriptions = {parameter.path: parameter.description for parameter in Parameters}
    rows = []
    for path in platform.parameters:
        read = (f"{how} {', '.join(dict.fromkeys(to))}" for how, to in secrets[path].items())
        rows.append((f"`{path}`", descriptions.get(path, ""), "<br>".join(read)))
    return table(("Parameter", "Description", "Read into"), rows)


def _jobs(inventory: Inventory) -> str:
    rows = (
        (job.name, words(job.spec["schedule"]), f"`{job.spec['schedule']}`")
        for _, job in inventory.of("CronJob")
    )
    return table(("Job", "Starts (UTC)", "Schedule"), rows)


def _images(inventory: Inventory) -> str:
    """The build of each image and the charts that run it.

    An HTML table, with several lines per row, so that Git can merge the bumps of two images.
    """
    users: dict[str, list[str]] = defaultdict(list)
    for chart, workloads in inventory.workloads.items():
        for image in (image for workload in workloads for image in workload.images):
            users[image].append(chart.name)
    rows = "".join(
        f"<tr><td><code>{repository(image)}</code></td>\n"
        f"<td>{_build(image)}</td>\n"
        f"<td>{', '.join(dict.fromkeys(charts))}</td></tr>\n"
        for image, charts in sorted(users.items())
    )
    headings = "<tr><th>Image</th><th>Build</th><th>Runs in</th></tr>"
    return f"<table>\n{headings}\n{rows}</table>\n"


def _build(image: str) -> str:
    tag = ImageReference.of(image).build
    commit = tag.removeprefix("sha-")
    if ":" in tag or not image.startswith(_OUR_REGISTRY):
        return f"<code>{tag[:19]}</code>"
    if tag == commit:
        return f"<code>{tag}</code>, open: new builds are not rolled out"
    source = f"{_SOURCES}{repository(image).removeprefix(_OUR_REGISTRY)}/commit/{commit}"
    return f'<a href="{source}"><code>{tag[:11]}</code></a>'


def _hosts(inventory: Inventory) -> str:
    rows = (
        (f"`{spelled(host)}`", network.audience(ingress), f"[{chart.name}]({chart.path})")
        for chart, ingress in inventory.of("Ingress")
        for host in network.hosts(ingress)
    )
    return table(("Host", "Reachable from", "Service"), rows)


def _open_items(inventory: Inventory, platform: AnalyticsPlatform) -> str:
    """The open items, except images: they are in the images table, where bumps can be merged."""
    images_of = {catalogue.image_item(service) for service in platform.images}
    rows = [
        (f"`{item.name}`", item.consequence, item.remedy)
        for item in catalogue.open_items(platform, inventory.files.pending)
        if item.name not in images_of
    ]
    return table(("Item", "Until then", "To do"), rows) if rows else "None.\n"


def _capacity(inventory: Inventory) -> str:
    """Peak usage and quota of each namespace."""
    quotas, peak = capacity.quotas(inventory.objects), capacity.peak(inventory.objects)
    total = dict(sorted(capacity.total(peak).items()))
    rows = []
    for namespace, sums in {**peak, "total": total}.items():
        bounds = quotas.get(namespace, {})
        for name in dict.fromkeys([*bounds, *sums]):
            used, bound = sums.get(name), bounds.get(name)
            binary = capacity.is_bytes(name)
            amounts = ("" if n is None else readable(n, binary=binary) for n in (used, bound))
            share = f"{float(used / bound):.0%}" if used and bound else ""
            rows.append((namespace, name, *amounts, share))
    return table(("Namespace", "Resource", "Peak", "Quota", "Used"), rows, right=3)
