"""Values on the command line of make reach the commands as they are."""

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT, program, run


@pytest.mark.parametrize(
    "text",
    [
        "`touch ran`",
        "$(shell touch ran)",
        "$(touch ran)",
        "'; touch ran; '",
        '"; touch ran; "',
        "a  b",
    ],
)
@pytest.mark.parametrize(
    ("target", "variable", "expected"),
    [
        ("pin", "SERVICE", ["-m", "ops", "pin", "--", "{}", "abc"]),
        ("pin", "SHA", ["-m", "ops", "pin", "--", "abc", "{}"]),
        ("review", "BASE", ["-m", "ops", "review", "--", "{}"]),
        ("review", "HEAD", ["-m", "ops", "review", "--", "abc", "{}"]),
    ],
)
def test_values_are_not_run(
    tmp_path: Path, target: str, variable: str, expected: list[str], text: str
) -> None:
    mark = tmp_path / "ran"
    text = text.replace("ran", str(mark))
    environment = tmp_path / "venv"
    program(environment / "bin" / "python", "printf '%s\\n' \"$@\"")
    for made in (".created", ".runtime"):
        (environment / made).touch()
    values = {"SERVICE": "abc", "SHA": "abc"} if target == "pin" else {"BASE": "abc"}
    values |= {variable: text, "VENV": os.path.relpath(environment, ROOT)}
    assignments = (f"{name}={value}" for name, value in values.items())
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = run("make", "--no-print-directory", target, *assignments, environment=outer)
    assert done.stdout.splitlines() == [text if one == "{}" else one for one in expected]
    assert not mark.exists()
