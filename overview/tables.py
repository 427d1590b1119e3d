"""The tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from catalogue import open_items as catalogue
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from constructs_lib.manifests import capacity
from constructs_lib.manifests.external_secret import remote_keys, secret_of
from constructs_lib.manifests.image import build, repository
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.routes import audience
from constructs_lib.manifests.workload import Update, Workload, pods_in_words
from constructs_lib.quantity import readable
from constructs_lib.schedule import words
from constructs_lib.wording import plural
from overview.inventory import Inventory, rules

_SOURCES = "https://github.com/"
_OUR_REGISTRY = "ghcr.io/"


def services(inventory: Inventory) -> str:
    """What each chart runs, in its own words."""
    return _table(
        ("Service", "What it is", "What runs"),
        (
            (
                f"[{chart.name}]({chart.path})",
                chart.description,
                "<br>".join(_summed(inventory.workloads[chart])),
            )
            for chart in inventory.services
        ),
    )


def _summed(workloads: Sequence[Workload]) -> list[str]:
    serving = [workload for workload in workloads if workload.kind not in ("CronJob", "Job")]
    lines = [
        f"{f'{workload.name}: ' if len(serving) > 1 else ''}"
        f"{pods_in_words(workload.replicas)}, {_UPDATES[workload.update]}"
        for workload in serving
    ]
    for kind, noun, when in (("CronJob", "scheduled job", ""), ("Job", "job", " with each sync")):
        if count := sum(workload.kind == kind for workload in workloads):
            lines.append(f"{plural(count, noun)}{when}")
    return lines


_UPDATES = {
    Update.ROLLING: "updated without a gap",
    Update.RECREATE: "stopped for an update",
    Update.BY_HAND: "updated by hand",
}


def parameters(inventory: Inventory, platform: AnalyticsPlatform) -> str:
    """What each SSM parameter holds, and which key of which Secret shows it to a program."""
    secrets: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for _, secret in inventory.of("ExternalSecret"):
        for key, path in remote_keys(secret):
            secrets[path][f"`{key}` in"].append(secret_of(secret))
    for chart in inventory.charts:
        for pending in chart.pending:
            for parameter in pending.parameters:
                secrets[parameter.path]["once they are rendered:"].append(pending.name)
    descriptions = {parameter.path: parameter.description for parameter in Parameters}
    return _table(
        ("Parameter", "What it holds", "Read into"),
        (
            (
                f"`{path}`",
                descriptions.get(path, ""),
                "<br>".join(f"{how} {', '.join(dict.fromkeys(to))}" for how, to in keys.items()),
            )
            for path in platform.parameters
            for keys in (secrets[path],)
        ),
    )


def jobs(inventory: Inventory) -> str:
    """When each job runs."""
    return _table(
        ("Job", "When, UTC", "Schedule"),
        (
            (
                job["metadata"]["name"],
                words(job["spec"]["schedule"]),
                f"`{job['spec']['schedule']}`",
            )
            for _, job in inventory.of("CronJob")
        ),
    )


def images(inventory: Inventory) -> str:
    """Which build of each image runs, and where.

    In HTML, whose rows take several lines: two bumps change lines that do not touch, and merge.
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
    tag = build(image)
    commit = tag.removeprefix("sha-")
    if ":" in tag or not image.startswith(_OUR_REGISTRY):
        return f"<code>{tag[:19]}</code>"
    if tag == commit:
        return f"<code>{tag}</code>, open: nothing rolls it out anew"
    source = f"{_SOURCES}{repository(image).removeprefix(_OUR_REGISTRY)}/commit/{commit}"
    return f'<a href="{source}"><code>{tag[:11]}</code></a>'


def hosts(inventory: Inventory) -> str:
    """Who reaches each host."""
    return _table(
        ("Host", "Reached from", "Service"),
        (
            (
                f"`{rule['host']}`",
                audience(Object.of(ingress)),
                f"[{chart.name}]({chart.path})",
            )
            for chart, ingress in inventory.of("Ingress")
            for rule in rules(ingress)
        ),
    )


def open_items(inventory: Inventory, platform: AnalyticsPlatform) -> str:
    """What is not known yet, but for the images: theirs is the table that two bumps can merge."""
    pending = [job for chart in inventory.charts for job in chart.pending]
    images_of = {catalogue.image_item(service) for service in platform.images}
    rows = [
        (f"`{item.name}`", item.consequence, item.remedy)
        for item in catalogue.open_items(platform, pending)
        if item.name not in images_of
    ]
    return _table(("What", "Until then", "To do"), rows) if rows else "None.\n"


def capacity_table(inventory: Inventory) -> str:
    """What the pods of each namespace ask for, and its quota."""
    manifests = [manifest for chart in inventory.charts for manifest in chart.objects]
    quotas = capacity.quotas(manifests)
    rows = []
    peak = capacity.peak(manifests)
    together = dict(sorted(capacity.total(peak).items()))
    for namespace, sums in {**peak, "together": together}.items():
        bounds = quotas.get(namespace, {})
        for name in dict.fromkeys([*bounds, *sums]):
            asked, bound = sums.get(name), bounds.get(name)
            binary = capacity.is_bytes(name)
            spelled = ("" if n is None else readable(n, binary=binary) for n in (asked, bound))
            share = f"{float(asked / bound):.0%}" if asked and bound else ""
            rows.append((namespace, name, *spelled, share))
    return _table(("Namespace", "Resource", "Asked for", "Quota", "Used"), rows, right=3)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> str:
    """A Markdown table whose last `right` columns are numbers."""
    lines = [headings, ["-"] * (len(headings) - right) + ["-:"] * right, *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines
    )
