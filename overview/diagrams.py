"""Mermaid diagrams."""

import re
from collections import defaultdict
from collections.abc import Iterator

from constructs_lib.kubernetes import ChartFile, ChartFiles
from constructs_lib.kubernetes.external_secret import PULL_SECRET
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.network import audience, hosts, paths
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.references import remote_keys, secret_of
from constructs_lib.manifests.workload import Workload, pods_in_words, workloads
from constructs_lib.model.schedule import starts, words
from constructs_lib.model.text import plural

_MOST_STARTS = 6
"""A job with more starts per day is drawn as one bar over the whole day."""


class Inventory:
    """The declared objects, in order of declaration."""

    def __init__(self, files: ChartFiles) -> None:
        self.files = files
        self.objects = files.rendered.objects
        self._charts = {f"{DIST}/{chart.path}": chart for chart in files}
        self.workloads: dict[ChartFile, list[Workload]] = defaultdict(list)
        """The workloads by chart. Charts without workloads are omitted."""
        for workload in workloads(self.objects):
            self.workloads[self._charts[workload.file]].append(workload)

    def of(self, kind: str) -> Iterator[tuple[ChartFile, Object]]:
        """The objects of a kind, each with its chart."""
        return ((self._charts[item.file], item) for item in self.objects.of_kinds(kind))


class Diagram:
    """A flowchart. Each node is drawn on first use."""

    def __init__(self) -> None:
        self.lines = ["flowchart LR"]
        self._drawn: set[str] = set()

    def node(self, identity: str, label: str, shape: str = '["{}"]') -> str:
        """The ID of a node, derived from `identity`, so that diffs stay small."""
        name = re.sub(r"\W+", "_", identity)
        if name not in self._drawn:
            self._drawn.add(name)
            self.lines.append(f"  {name}{shape.format(label)}")
        return name

    def arrow(self, start: str, end: str) -> None:
        line = f"  {start} --> {end}"
        if line not in self.lines:
            self.lines.append(line)

    def __str__(self) -> str:
        return _fenced(self.lines)


_ROUND, _DRUM, _HEX = '(["{}"])', '[("{}")]', '{{{{"{}"}}}}'


def pods(inventory: Inventory) -> str:
    """The path from the network through hosts and Services to pods, one diagram per namespace.

    In a namespace without Ingresses, the pods are drawn in one column.
    """
    namespaces = dict.fromkeys(chart.namespace for chart in inventory.workloads)
    return "\n".join(_namespace(inventory, str(namespace)) for namespace in namespaces)


def _namespace(inventory: Inventory, name: str) -> str:
    charts = [chart for chart in inventory.workloads if chart.namespace == name]
    ingresses = [ingress for chart, ingress in inventory.of("Ingress") if chart in charts]
    diagram = Diagram()
    diagram.lines.append(f"  subgraph {name}")
    if not ingresses:
        diagram.lines.append("  direction TB")
    for chart in charts:
        _draw_pods(diagram, inventory, chart)
    diagram.lines.append("  end")
    for ingress in ingresses:
        source = diagram.node(audience(ingress), audience(ingress), _ROUND)
        for host in hosts(ingress):
            node = diagram.node(f"host {spelled(host)}", spelled(host), _HEX)
            diagram.arrow(source, node)
            for path in paths(ingress):
                if path.host == host and not path.action:
                    service = path.service or "another backend"
                    diagram.arrow(node, diagram.node(f"Service {service}", service))
    return str(diagram)


def spelled(host: str) -> str:
    """A host of an Ingress in words."""
    return "any host" if host == "*" else host


def _draw_pods(diagram: Diagram, inventory: Inventory, chart: ChartFile) -> None:
    """One node for all workloads of a chart, preceded by its Services."""
    running = _running(inventory.workloads[chart])
    pods = diagram.node(f"pods {chart.name}", f"{chart.name}<br>{running}")
    for service in (service for owner, service in inventory.of("Service") if owner is chart):
        ports = ", ".join(str(port["port"]) for port in service.spec.get("ports") or ())
        label = f"Service {service.name}:{ports}".removesuffix(":")
        diagram.arrow(diagram.node(f"Service {service.name}", label), pods)


def _running(workloads: list[Workload]) -> str:
    replicas = [workload.replicas for workload in workloads]
    fewest, most = (sum(bounds[place] for bounds in replicas if bounds) for place in (0, 1))
    jobs = {
        "scheduled job": sum(workload.kind == "CronJob" for workload in workloads),
        "release job": sum(workload.kind == "Job" for workload in workloads),
    }
    return "<br>".join(
        [
            *([pods_in_words((fewest, most))] if most else ()),
            *(pods_in_words(bounds) for bounds in replicas if bounds is None),
            *(plural(count, noun) for noun, count in jobs.items() if count),
        ]
    )


def secrets(inventory: Inventory) -> str:
    """The path from SSM parameters through Secrets to pods.

    Parameters of the same Secrets share a node, as do workloads of a chart with the same Secrets.
    """
    diagram = Diagram()

    def secret(name: str) -> str:
        return diagram.node(f"Secret {name}", name, _HEX)

    for names, parameters in _read_together(inventory).items():
        node = diagram.node(f"SSM {parameters[0]}", "<br>".join(parameters), _DRUM)
        for name in names:
            diagram.arrow(node, secret(name))
    for chart, of_chart in inventory.workloads.items():
        alike: dict[tuple[str, ...], list[Workload]] = defaultdict(list)
        for workload in of_chart:
            alike[workload.secrets].append(workload)
            for name in workload.pull_secrets:
                puller = f"every pod of {chart.namespace}"
                diagram.arrow(secret(_qualified(chart, name)), diagram.node(puller, puller))
        for names, reading in alike.items():
            label = "<br>".join(workload.name for workload in reading)
            for name in names:
                pods = diagram.node(f"pods {reading[0].name}", label)
                diagram.arrow(secret(_qualified(chart, name)), pods)
    return str(diagram)


def _read_together(inventory: Inventory) -> dict[tuple[str, ...], list[str]]:
    """The parameters, grouped by the Secrets that contain them."""
    secrets: dict[str, dict[str, None]] = defaultdict(dict)
    for chart, external in inventory.of("ExternalSecret"):
        for _, path in remote_keys(external.manifest):
            secrets[path][_qualified(chart, secret_of(external.manifest))] = None
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for parameter, named in secrets.items():
        together[tuple(named)].append(parameter)
    return together


def _qualified(chart: ChartFile, name: str) -> str:
    """A Secret's name, qualified if every namespace has a Secret of that name."""
    return f"{chart.namespace}/{name}" if name == PULL_SECRET else name


def day(inventory: Inventory) -> str:
    """A Gantt chart of job starts, in UTC."""
    axis = ("dateFormat HH:mm", "axisFormat %H:%M", "tickInterval 2hour", "todayMarker off")
    lines = ["gantt", *(f"  {setting}" for setting in axis)]
    section = ""
    for chart, job in inventory.of("CronJob"):
        if chart.name != section:
            section = chart.name
            lines.append(f"  section {section}")
        lines += _bars(job.name.removeprefix(f"{chart.name}-"), job.spec["schedule"])
    return _fenced(lines) if section else ""


def _bars(name: str, schedule: str) -> list[str]:
    times = dict.fromkeys(f"{start:%H:%M}" for start in starts(schedule))
    if len(times) > _MOST_STARTS:
        return [f"  {name}, {words(schedule).replace(':', '.')} :active, 00:00, 24h"]
    return [f"  {name} :{time}, 30m" for time in times]


def _fenced(lines: list[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```", ""])
