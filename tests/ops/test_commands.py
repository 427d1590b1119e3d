"""The entry point of the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.ops.checkouts import ops


def test_slow_libraries_are_imported_on_use() -> None:
    slow = ("aws_cdk", "cdk8s", "jsii", "kubernetes")
    script = f"import sys, ops.commands; print([one for one in {slow} if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_invalid_setting_prints_one_line(own: Path) -> None:
    settings = own / "catalogue" / "installation.py"
    settings.write_text(settings.read_text().replace('"eu-central-1"', '"Frankfurt"'))
    status, said, wrong = ops(own, "jobs", "--offline")
    assert (status, said) == (1, "")
    assert wrong.startswith("error: region 'Frankfurt' does not match ")
    assert wrong.count("\n") == 1


def test_without_standard_input_no_prompt() -> None:
    command = f"{sys.executable} -m ops manifest refresh --ask-key <&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the terminal is not interactive; pass the value")
