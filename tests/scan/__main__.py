"""`python -m tests.scan`: run the scanners, and compare their findings with the waivers."""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from subprocess import CalledProcessError

from catalogue.platform import WAIVERS
from constructs_lib.errors import DeclarationError
from constructs_lib.model import waivers
from constructs_lib.model.text import plural
from constructs_lib.model.waivers import Result, Waiver
from local_cluster.installing import go_unless_built, require
from ops.errors import OpsError
from tests.scan.programs import NEEDED

_say = partial(print, flush=True)
_CANNOT_RUN = (DeclarationError, OpsError, RuntimeError, ValueError, CalledProcessError, OSError)


def compare(
    findings: Sequence[Result], accepted: Sequence[Waiver], scanners: Sequence[str]
) -> list[str]:
    """Findings without a waiver, and waivers without a finding."""
    every = {*scanners} == {*NEEDED}
    names = tuple(f"{name}:" for name in scanners)
    return [
        *(f"{one.check} at {one.item}: {one.message}" for one in waivers.left(findings, accepted)),
        *waivers.problems(
            findings,
            accepted,
            checks=lambda check: ":" in check if every else check.startswith(names),
        ),
    ]


def main() -> int:
    """The exit status: 1 if findings and waivers differ, 2 if a scanner cannot run."""
    parser = argparse.ArgumentParser(prog="python -m tests.scan", description=__doc__)
    parser.add_argument("scanner", nargs="*", help=f"one of {', '.join(NEEDED)}; default: all")
    chosen = parser.parse_args().scanner or [*NEEDED]
    if unknown := [one for one in chosen if one not in NEEDED]:
        parser.error(f"unknown scanner {unknown[0]}; use {', '.join(NEEDED)}")
    findings: list[Result] = []
    try:
        require("scan", [go_unless_built(*(one for name in chosen for one in NEEDED[name]))])
        from tests.scan.scanners import SCANNERS  # takes seconds to load

        accepted = waivers.read(WAIVERS)
        for name in chosen:
            began = time.monotonic()
            found = SCANNERS[name](_say)
            open_ = waivers.left(found, accepted)
            seconds = time.monotonic() - began
            _say(
                f"{name}: {plural(len(found), 'finding')}, {len(found) - len(open_)} waived "
                f"({seconds:.0f} s)"
            )
            findings += found
    except _CANNOT_RUN as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    problems = compare(findings, accepted, chosen)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        _say(f"{plural(len(findings), 'finding')}, all waived; all waivers are needed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
