"""The token of the kubeconfig: as kubectl sends it, and never in a message."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from ops.cluster import Cluster
from ops.errors import ClusterError
from tests.conftest import run as run_process
from tests.ops.day_two.api_server import TOKEN, ApiServer, write_kubeconfig
from tests.ops.day_two.conftest import SECRET, Run

API_VERSION = "client.authentication.k8s.io/v1"
_PRINTS_IN_TURN = """\
import pathlib, sys
counter, *outputs = sys.argv[1:]
runs = pathlib.Path(counter)
past = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (past + 1))
output = outputs[min(past, len(outputs) - 1)]
print(output) if output.startswith(("{", "out:")) else sys.exit(output)
"""


def credential(**status: object) -> str:
    return json.dumps({"apiVersion": API_VERSION, "kind": "ExecCredential", "status": status})


@pytest.fixture(autouse=True)
def server(api: ApiServer) -> None:
    """A server with the namespaces of the platform."""
    for name in ("cerebro", "crawlers"):
        api.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name}}


def change(kubeconfig: Path, **entries: object) -> None:
    """Replace entries of the kubeconfig."""
    content = yaml.safe_load(kubeconfig.read_text())
    kubeconfig.write_text(yaml.safe_dump(content | entries))


def user(**entries: object) -> dict[str, object]:
    return {"users": [{"name": "test", "user": entries}]}


def plugin(folder: Path, *outputs: str) -> dict[str, object]:
    """A credential plugin that prints these in turn; one that is neither JSON nor begins with
    `out:` is an error.
    """
    arguments = ["-c", _PRINTS_IN_TURN, str(folder / "runs"), *outputs]
    return {"apiVersion": API_VERSION, "command": sys.executable, "args": arguments}


def sources(token: str, folder: Path) -> list[dict[str, object]]:
    """The three sources of a token."""
    (folder / "token").write_text(token)
    return [
        user(token=token),
        user(tokenFile=str(folder / "token")),
        user(exec=plugin(folder, credential(token=token))),
    ]


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "\n {}\t\n\n"])
def test_white_space_around_a_token_is_not_sent(
    api: ApiServer, kubeconfig: Path, run: Run, tmp_path: Path, around: str
) -> None:
    for source in sources(around.format(TOKEN), tmp_path):
        api.authorizations.clear()
        change(kubeconfig, **source)
        done = run("jobs")
        assert (done.exit_code, api.authorizations) == (0, {f"Bearer {TOKEN}"}), done.output


EXPIRED = {"expirationTimestamp": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([credential(token=f"{TOKEN}{end}", **EXPIRED) for end in ("\n", " \n")],
                     id="a refreshed token is stripped, too"),
        pytest.param([f"cannot refresh {SECRET}"], id="a failed refresh keeps the token"),
    ],
)  # fmt: skip
def test_a_refresh_prints_nothing(
    api: ApiServer, kubeconfig: Path, run: Run, tmp_path: Path, later: list[str]
) -> None:
    outputs = [credential(token=TOKEN, **EXPIRED), *later]
    change(kubeconfig, **user(exec=plugin(tmp_path, *outputs)))
    done = run("jobs")
    assert (done.exit_code, done.stderr, run.caplog.text) == (0, "", "")
    assert api.authorizations == {f"Bearer {TOKEN}"}
    assert len((tmp_path / "runs").read_text()) >= len(outputs)


IMPOSSIBLE = {
    "a line break": f"{SECRET}-1\n{SECRET}-2",
    "a folded line": f"{SECRET}-1\n {SECRET}-2",
    "another header": f"{SECRET}-1\r\nX-Other: {SECRET}-2",
    "beyond Latin-1": f"{SECRET}-\N{EURO SIGN}",
    "a byte order mark": f"\N{ZERO WIDTH NO-BREAK SPACE}{SECRET}",
    "a null": f"{SECRET}-\0",
    "nothing": " \n",
}


@pytest.mark.parametrize("token", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_token_that_no_header_can_contain(
    api: ApiServer, kubeconfig: Path, run: Run, tmp_path: Path, token: str
) -> None:
    for source in sources(token, tmp_path):
        change(kubeconfig, **source)
        assert "the token of context test is empty, or has a line break" in run.refused("jobs")
        forward = Cluster().forwarded("cerebro", "cerebro-api-1-0", 80)
        with pytest.raises(ClusterError, match="the token of context test is empty, or"), forward:
            pytest.fail("it was sent")
    assert api.authorizations == set()


def test_it_prints_one_line_without_a_traceback(kubeconfig: Path) -> None:
    change(kubeconfig, **user(token=IMPOSSIBLE["a line break"]))
    done = run_process(sys.executable, "-m", "ops", "jobs")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: the token of context test is empty, or has a line break")
    assert SECRET not in done.stderr


HTTPS = "https://127.0.0.1:1"
WITH_PROXY = {"server": HTTPS, "proxy-url": f"http://u:{SECRET}@[x"}
INVALID: dict[str, dict[str, object]] = {
    "context test cannot be used ([Errno 2] No such file or directory)": user(tokenFile=SECRET),
    "context test cannot be used (File does not exist)": user(**{"client-key": SECRET}),
    "context test cannot be used (Incorrect padding)": user(**{"client-key-data": f"{SECRET}=a"}),
    "context test cannot be used (an entry is invalid)": user(
        username="u", password=f"{SECRET}\N{EURO SIGN}"
    ),
    "context test cannot be used (an entry is invalid); ": {
        "clusters": [{"name": "test", "cluster": WITH_PROXY}]
    },
    # indented too little
    "(Invalid kube-config file. Expected key user); ": {
        "users": [{"name": "test", "token": SECRET}]
    },
}


@pytest.mark.parametrize("message", INVALID)
def test_an_invalid_entry_is_not_repeated(run: Run, kubeconfig: Path, message: str) -> None:
    write_kubeconfig(kubeconfig, HTTPS)
    change(kubeconfig, **INVALID[message])
    assert message in run.refused("jobs")
    assert message in run.refused("jobs", "--context", "test")


def test_a_token_that_is_not_valid_yaml(run: Run, kubeconfig: Path) -> None:
    text = kubeconfig.read_text().replace(f"token: {TOKEN}", f"token: *{SECRET}")
    kubeconfig.write_text(text)
    line = next(at for at, one in enumerate(text.splitlines(), 1) if SECRET in one)
    for context in ((), ("--context", "test")):
        assert f"(invalid YAML in line {line}); " in run.refused("jobs", *context)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (f"out:{SECRET}", "exec: failed to decode process output; log in again"),
        (f"usage: {SECRET}", "exec: process returned 1; log in again"),
        (json.dumps({"token": SECRET}), "exec: malformed response. missing key 'apiVersion'; log"),
        (
            json.dumps({"apiVersion": SECRET, "kind": "x", "status": {}}),
            "the output of the credential plugin is invalid; log in again",
        ),
        (credential(bearer=SECRET), "exec: missing token or clientCertificateData field in plug"),
        (
            credential(token=SECRET, expirationTimestamp=SECRET),
            "the output of the credential plugin is invalid; log in again",
        ),
    ],
)
def test_the_output_of_a_credential_plugin_is_not_repeated(
    run: Run, kubeconfig: Path, tmp_path: Path, output: str, message: str
) -> None:
    change(kubeconfig, **user(exec=plugin(tmp_path, output)))
    assert f"cannot get the credentials of context test: {message}" in run.refused("jobs")
