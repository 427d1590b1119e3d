"""Measure the speed of a synth relative to a baseline.

platform/empty        `python app.py` relative to an app with one empty Chart
thousand/javascript   1,000 web services relative to plain JavaScript cdk8s with literals
growth                1,000 web services relative to 100
setup/pip             `make synth` in a fresh clone relative to pip installing requirements.txt
review/diff           `ops review` of 301 changed objects relative to `git diff` and parsing
peak_mb               peak memory of the larger of the synth's two processes, Python and Node

Runs alternate, so that a slow machine affects all of them equally. Prints medians, and the ratios
in the last line.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from itertools import product
from pathlib import Path

from tests.bench import review
from tests.bench.services import app, names
from tests.bench.timing import setup, timed
from tests.conftest import ROOT

_TURNS = 3
"""How often a round repeats commands that take a second or less."""
_FOLDERS = ("dist", "ours", "theirs", "hundred", "changes")
_REVIEW = [sys.executable, "-m", "ops", "review", "--format", "markdown"]
_EMPTY = "import cdk8s; app = cdk8s.App(); cdk8s.Chart(app, 'empty'); app.synth()"
_LITERALS = """
const {{ App, Chart, ApiObject }} = require('cdk8s');
const app = new App();
const write = (chart, name) => {{ {objects} }};
for (const name of {names}) write(new Chart(app, name), name);
app.synth();
"""


def literals(count: int) -> str:
    """JavaScript that writes the same files as `services`, with every object as a literal."""
    sample = names(1)[0]
    objects = [
        f"new ApiObject(chart, '{place}', {json.dumps(manifest)});"
        for place, manifest in enumerate(app(1).files().objects)
    ]
    text = "".join(objects).replace("`", "\\`").replace("${", "\\${")
    for quoted in (f'"{sample}"', f'"{sample}-secrets"', f'"{sample}.example.org"'):
        text = text.replace(quoted, quoted.replace('"', "`").replace(sample, "${name}"))
    text = text.replace(
        f'"ghcr.io/gnosischain/{sample}:latest"', "`ghcr.io/gnosischain/${name}:latest`"
    )
    return _LITERALS.format(objects=text, names=json.dumps(names(count)))


def run(command: list[str], folder: Path, checkout: Path) -> tuple[float, float]:
    """Duration in seconds and peak megabytes of a command that writes to `folder`."""
    environment = {
        **os.environ,
        "CDK8S_OUTDIR": str(folder),
        "NODE_PATH": str(ROOT / "node_modules"),
        "PYTHONPATH": str(ROOT),
    }
    return timed(command, checkout, environment)


def compare(ours: Path, theirs: Path) -> None:
    """Exit with an error if the two programs write different files."""
    for file in sorted(theirs.iterdir()):
        if file.read_bytes() != (ours / file.name).read_bytes():
            sys.exit(f"error: {file.name} differs between the constructs and the literals")


def main() -> None:
    """Measure, and print the medians and ratios."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--short", action="store_true", help="one round instead of five")
    rounds = 1 if parser.parse_args().short else 5
    python = sys.executable
    seconds: dict[str, list[float]] = defaultdict(list)
    peak = 0.0
    with tempfile.TemporaryDirectory(prefix="bench-") as workshop:
        folder = {name: Path(workshop, name) for name in _FOLDERS}
        for path in folder.values():
            path.mkdir()
        script = Path(workshop, "literals.js")
        script.write_text(literals(1000), "utf-8")
        thousand = [python, "-m", "tests.bench.services", "1000", str(folder["ours"])]
        hundred = [python, "-m", "tests.bench.services", "100", str(folder["hundred"])]
        commands = {
            "empty": ([python, "-c", _EMPTY], "hundred", _TURNS),
            "platform": ([python, "app.py"], "dist", _TURNS),
            "javascript": (["node", str(script)], "theirs", 1),
            "thousand": (thousand, "ours", 1),
            "hundred": (hundred, "hundred", 1),
            "diff": ([python, "-c", review.LEAST, *review.REVISIONS], "changes", _TURNS),
            "review": ([*_REVIEW, *review.REVISIONS], "changes", _TURNS),
        }
        review.repository(folder["changes"])
        for number, turn in product(range(rounds), range(_TURNS)):
            for name, (command, place, times) in commands.items():
                if turn < times:
                    print(f"\rround {number + 1} of {rounds}: {name:<12}", end="", file=sys.stderr)
                    checkout = folder[place] if place == "changes" else ROOT
                    took, megabytes = run(command, folder[place], checkout)
                    seconds[name].append(took)
                    peak = max(peak, megabytes) if name == "platform" else peak
        compare(folder["ours"], folder["theirs"])
        print("\rset-up, once", end="", file=sys.stderr)
        seconds |= setup(Path(workshop))
    print(file=sys.stderr)
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, value in median.items():
        print(f"{name:<12}{value:8.2f} s")
    print(
        f"ratios: platform/empty={median['platform'] / median['empty']:.1f} "
        f"thousand/javascript={median['thousand'] / median['javascript']:.1f} "
        f"growth={median['thousand'] / median['hundred']:.1f} "
        f"setup/pip={median['setup'] / median['pip']:.2f} "
        f"review/diff={median['review'] / median['diff']:.1f} peak_mb={peak:.0f}"
    )


if __name__ == "__main__":
    main()
