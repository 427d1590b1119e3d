"""Reports of a run: the table of claims, and the state of the control plane after a failure."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from local_cluster.control_plane import ControlPlane

_VIEWS = {
    "Applications": ("get", "applications", "--namespace=argocd", "--output=wide"),
    "Messages of Applications": (
        *("get", "applications", "--namespace=argocd"),
        "--output=custom-columns=NAME:.metadata.name,CONDITIONS:.status.conditions[*].message,"
        "OPERATION:.status.operationState.message,"
        "RESOURCES:.status.operationState.syncResult.resources[*].message",
    ),
    "ExternalSecrets": ("get", "externalsecrets", "--all-namespaces"),
    "Workloads": ("get", "deployments,jobs,cronjobs,ingresses", "--all-namespaces"),
    "Pods": ("get", "pods", "--all-namespaces", "--output=wide"),
    "Last events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
_LINES_OF_A_VIEW = 40


@dataclass
class Claim:
    """A statement about the system, and its measured result."""

    sentence: str
    measured: str = ""
    passed: bool = False
    seconds: float = 0

    @contextmanager
    def checked(self) -> Iterator[Callable[[object], None]]:
        """Yield a function for the measured result; the claim fails if the block raises."""
        started = time.monotonic()

        def measured(what: object) -> None:
            self.measured = str(what)

        try:
            yield measured
            self.passed = True
        finally:
            self.seconds = time.monotonic() - started


def table(claims: Iterable[Claim], width: int) -> str:
    """A table of the claims with this width."""
    rows = Table("", "time", "claim", "measured", box=None, pad_edge=False)
    for claim in claims:
        verdict = "passed" if claim.passed else "FAILED"
        rows.add_row(verdict, f"{claim.seconds:.0f} s", claim.sentence, claim.measured)
    console = Console(width=width, markup=False, highlight=False)
    with console.capture() as printed:
        console.print(rows)
    return printed.get()


def state_of(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Titles and texts that explain a failure: objects, then the end of every log."""
    for title, command in _VIEWS.items():
        try:
            shown = control_plane.cluster.kubectl(*command).splitlines()
            yield title, "\n".join(shown[:1] + shown[1:][-_LINES_OF_A_VIEW:])
        except AssertionError as error:
            yield title, str(error)
    for name, process in control_plane.processes.items():
        yield f"log of {name}", process.tail()
