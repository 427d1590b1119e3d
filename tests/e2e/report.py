"""Reports of a run: the table of claims, and the state of the control plane after a failure."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from local_cluster.control_plane import ControlPlane
from local_cluster.processes import NOT_ANSWERING

_VIEWS = {
    "Applications": ("get", "applications", "--namespace=argocd", "--output=wide"),
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


def table(claims: Iterable[Claim], width: int) -> Iterator[str]:
    """The lines of a table with this width."""
    column = max((width - len("FAILED  1000 s  ") - len("  ")) // 2, 20)
    yield f"{'':6}  {'time':>6}  {'claim':{column}}  measured"
    for claim in claims:
        verdict = f"{'passed' if claim.passed else 'FAILED':6}  {claim.seconds:4.0f} s"
        texts = (claim.sentence, claim.measured)
        columns = (wrap(text, column, break_on_hyphens=False) for text in texts)
        for left, right in zip_longest(*columns, fillvalue=""):
            yield f"{verdict:14}  {left:{column}}  {right}".rstrip()
            verdict = ""


def state_of(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Titles and texts that explain a failure: objects, then the end of every log."""
    for title, command in _VIEWS.items():
        try:
            shown = control_plane.cluster.kubectl(*command).splitlines()
            yield title, "\n".join(shown[:1] + shown[1:][-_LINES_OF_A_VIEW:])
        except (AssertionError, *NOT_ANSWERING) as error:
            yield title, str(error)
    try:
        for application in control_plane.argocd.applications().values():
            if application.messages:
                yield str(application), "\n".join(application.messages)
    except NOT_ANSWERING as error:
        yield "Application messages", str(error)
    for name, tail in control_plane.processes.tails().items():
        yield f"log of {name}", tail
