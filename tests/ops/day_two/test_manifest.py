"""Refreshing the manifest, through the load balancer or in every pod."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from catalogue.parameters import Parameters
from ops import manifest, rendered
from ops.errors import OpsError
from tests.ops.day_two.api_server import TOKEN, ApiServer
from tests.ops.day_two.conftest import SECRET, Run
from tests.ops.day_two.world import Account, World
from tests.serving import Answer, JsonHandler, posted, serving

KEY = f"{SECRET}-key"
REFRESH = ("manifest", "refresh", "--key-file", "-")


class Api:
    """A stub of cerebro-api."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Path and key of every request."""
        self.answer: Answer = (200, {"status": "reloaded", "models": 412})

    def __call__(self, request: JsonHandler) -> Answer:
        self.asked.append(f"{request.path} {request.headers['X-API-Key']}")
        return self.answer


@pytest.fixture
def cerebro_api(monkeypatch: pytest.MonkeyPatch, api: ApiServer) -> Iterator[Api]:
    """The stub, at the public address and in both pods."""
    made = Api()
    with serving(posted(made)) as address:
        monkeypatch.setattr(manifest, "ADDRESS", address)
        for number in range(2):
            api.forwards[f"cerebro-api-1-{number}"] = int(urlsplit(address).port or 0)
        yield made


def test_one_call_reaches_one_pod_with_a_key_from_ssm(
    cerebro_api: Api, account: Account, run: Run
) -> None:
    account.put(Parameters.API_KEYS, f'{{"{SECRET}-low": "tier1", "{KEY}": {{"tier": "tier3"}}}}')
    done = run("manifest", "refresh")
    assert done.exit_code == 0, done.output
    assert cerebro_api.asked == [f"/v1/system/manifest/refresh {KEY}"]
    assert "reloaded, 412 models" in done.stdout
    assert "Queried one pod. Each pod fetches the manifest every 300 s" in done.stderr


@pytest.mark.usefixtures("world")
def test_with_the_cluster_every_pod_is_refreshed(
    cerebro_api: Api, api: ApiServer, run: Run, kubeconfig: Path
) -> None:
    kubeconfig.write_text(kubeconfig.read_text().replace(TOKEN, f'"{TOKEN}\\n"'))
    done = run(*REFRESH, "--cluster", given=f"{KEY}\n")
    assert done.exit_code == 0, done.output
    assert cerebro_api.asked == [f"/v1/system/manifest/refresh {KEY}"] * 2
    assert "cerebro-api-1-0: reloaded" in done.stdout
    assert "cerebro-api-1-1: reloaded" in done.stdout
    assert api.authorizations == {f"Bearer {TOKEN}"}


def test_an_unreachable_pod_does_not_hide_the_other(
    cerebro_api: Api, world: World, run: Run
) -> None:
    world.api.forwards["cerebro-api-1-0"] = 1  # nothing listens there
    done = run(*REFRESH, "--cluster", given=KEY)
    assert done.exit_code == 1
    assert "error: cerebro-api-1-0: the request failed" in done.stderr
    assert "cerebro-api-1-1: reloaded" in done.stdout
    assert len(cerebro_api.asked) == 1


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (403, {"detail": f"no {KEY} here"}, "status 403: no *** here; the refresh requires a"),
        (401, {}, "status 401: the refresh requires a key of tier3"),
        (404, {}, "status 404: this version of cerebro-api does not support a refresh by hand"),
        (429, {}, "status 429: too many refreshes"),
        (504, [], "status 504: the pod took longer than 60 s"),
        (500, {}, "status 500: check its log"),
        (
            200,
            {"status": "error", "models": 7, "detail": "no route to host"},
            "not refreshed, still 7 models: no route to host",
        ),
        (302, {}, "status 302"),
    ],
)
def test_errors_of_the_api(
    cerebro_api: Api, run: Run, status: int, content: object, sentence: str
) -> None:
    cerebro_api.answer = (status, content)
    assert sentence in run.refused(*REFRESH, given=KEY)


def test_no_answer_and_no_key(
    cerebro_api: Api, account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no key of tier3; add one with" in run("manifest", "refresh").stderr
    account.put(Parameters.API_KEYS, SECRET)
    assert "is invalid: invalid JSON" in run("manifest", "refresh").stderr
    account.put(Parameters.API_KEYS, f'{{"{SECRET}\\nkey": "tier3"}}')
    assert "the key of entry 1 is empty, begins or ends" in run("manifest", "refresh").stderr
    assert (
        "the API key is empty or not valid in an HTTP header"
        in run(*REFRESH, given=f"{SECRET}\nx").stderr
    )
    assert cerebro_api.asked == []
    monkeypatch.setattr(manifest, "ADDRESS", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1: cannot be reached" in run.refused(*REFRESH, given=KEY)


def test_nothing_is_read_or_sent_if_dist_is_invalid(
    cerebro_api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def invalid() -> None:
        raise OpsError("dist/ is invalid")

    monkeypatch.setattr(rendered, "objects", invalid)
    for options in ((), ("--cluster",)):
        assert run.refused("manifest", "refresh", "--key-file", "nowhere", *options) == (
            "dist/ is invalid"
        )
    assert cerebro_api.asked == []


@pytest.mark.usefixtures("world")
def test_a_forbidden_port_forward_is_not_a_network_error(
    cerebro_api: Api, api: ApiServer, run: Run
) -> None:
    pod = "/api/v1/namespaces/cerebro/pods/cerebro-api-1-0"
    api.answers[f"GET {pod}/portforward"] = (403, {})
    assert "cerebro-api-1-0: the request failed: context test lacks a permission" in run.refused(
        *REFRESH, "--cluster", given=KEY
    )
    assert len(cerebro_api.asked) == 1
