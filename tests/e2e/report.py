"""Reports of a run: the table of claims, and the state of the control plane after a failure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from textwrap import wrap

from local_cluster.control_plane import ControlPlane
from local_cluster.waiting import NOT_ANSWERING

LOG_LINES = 15
VIEWS = {
    "Applications": ("get", "applications", "--namespace=argocd", "--output=wide"),
    "ExternalSecrets": ("get", "externalsecrets", "--all-namespaces"),
    "Workloads": ("get", "deployments,jobs,cronjobs,ingresses", "--all-namespaces"),
    "Pods": ("get", "pods", "--all-namespaces", "--output=wide"),
    "Last events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
LINES_OF_A_VIEW = 40


@dataclass
class Claim:
    """A statement about the system, and its measured result."""

    sentence: str
    measured: str = ""
    passed: bool = False
    seconds: float = 0


@dataclass
class Claims:
    """All claims of a run, in order."""

    made: list[Claim] = field(default_factory=list)

    @contextmanager
    def make(self, sentence: str) -> Iterator[Callable[[object], None]]:
        """Yield a function for the measured result; the claim fails if the block raises."""
        claim = Claim(sentence)
        self.made.append(claim)
        started = time.monotonic()

        def measured(what: object) -> None:
            claim.measured = str(what)

        try:
            yield measured
            claim.passed = True
        finally:
            claim.seconds = time.monotonic() - started

    def table(self, width: int) -> Iterator[str]:
        """The lines of a table with this width."""
        column = max((width - len("FAILED  1000 s  ") - len("  ")) // 2, 20)
        yield f"{'':6}  {'time':>6}  {'claim':{column}}  measured"
        for claim in self.made:
            verdict = f"{'passed' if claim.passed else 'FAILED':6}  {claim.seconds:4.0f} s"
            sentence, measured = (
                wrap(text, column, break_on_hyphens=False)
                for text in (claim.sentence, claim.measured)
            )
            for left, right in zip_longest(sentence, measured, fillvalue=""):
                yield f"{verdict:14}  {left:{column}}  {right}".rstrip()
                verdict = ""


def state_of(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Titles and texts that explain a failure: objects, then the end of every log."""
    for title, command in VIEWS.items():
        try:
            shown = control_plane.cluster.kubectl(*command).splitlines()
            lines = shown[:1] + shown[1:][-LINES_OF_A_VIEW:]
            yield title, "\n".join(lines)
        except (AssertionError, *NOT_ANSWERING) as error:
            yield title, str(error)
    try:
        for application in control_plane.argocd.applications().values():
            if application.messages:
                yield str(application), "\n".join(application.messages)
    except NOT_ANSWERING as error:
        yield "Application messages", str(error)
    for name, tail in control_plane.processes.tails(LOG_LINES).items():
        yield f"log of {name}", tail
