"""`ops` commands report errors of a real API server in one sentence, with exit status 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster.installation import Installation
from local_cluster.processes import free_port
from tests.e2e.commands import ops
from tests.e2e.conftest import Claimed

Change = Callable[[dict[str, Any], Installation], None]


def unreachable(kubeconfig: dict[str, Any], _: Installation) -> None:
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"


def expired(kubeconfig: dict[str, Any], _: Installation) -> None:
    kubeconfig["users"][0]["user"] = {"token": "of-yesterday"}


def without_permissions(kubeconfig: dict[str, Any], installation: Installation) -> None:
    token = installation.cluster.kubectl("create", "token", "default").strip()
    kubeconfig["users"][0]["user"] = {"token": token}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            unreachable,
            "the cluster of context local cannot be reached at https://127.0.0.1:",
            id="unreachable",
        ),
        pytest.param(
            expired,
            "the cluster does not accept the credentials of context local; log in again",
            id="expired token",
        ),
        pytest.param(
            without_permissions,
            "context local lacks a permission in the cluster: ",
            id="no permission",
        ),
    ],
)
def test_an_api_server_error_is_reported_in_one_sentence(
    installation: Installation, claim: Claimed, tmp_path: Path, change: Change, sentence: str
) -> None:
    kubeconfig = yaml.safe_load(installation.cluster.kubeconfig.read_text())
    change(kubeconfig, installation)
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    with claim("Errors of the API server are reported in one sentence"):
        for arguments in (("jobs",), ("secrets", "status", "--cluster")):
            done = ops(installation, *arguments, kubeconfig=file)
            lines = done.stderr.splitlines()
            assert done.returncode == 1
            assert lines[-1].startswith(f"error: {sentence}"), done.stderr
            assert done.stdout == ""
