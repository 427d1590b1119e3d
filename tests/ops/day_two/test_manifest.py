"""Refreshing the manifest: through the load balancer, or every pod through the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from catalogue.parameters import Parameters
from ops import manifest
from tests.ops.day_two.api_server import TOKEN, ApiServer
from tests.ops.day_two.conftest import SECRET, Account, Run
from tests.ops.day_two.world import World
from tests.serving import Answer, JsonHandler, posted, serving

KEY = f"{SECRET}-key"
REFRESH = ("manifest", "refresh", "--key-file", "-")


class Api:
    """cerebro-api, as far as this goes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Path and key of every request."""
        self.answer: Answer = (200, {"status": "reloaded", "models": 412})

    def __call__(self, request: JsonHandler) -> Answer:
        self.asked.append(f"{request.path} {request.headers['X-API-Key']}")
        return self.answer


@pytest.fixture
def cerebro_api(monkeypatch: pytest.MonkeyPatch, api: ApiServer) -> Iterator[Api]:
    """It answers at the public address, and in both of its pods."""
    made = Api()
    with serving(posted(made)) as address:
        monkeypatch.setattr(manifest, "address", lambda: address)
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
    assert "One pod was asked. Each fetches it every 300 s by itself" in done.stderr


@pytest.mark.usefixtures("world")
def test_with_the_cluster_every_pod_is_asked(cerebro_api: Api, api: ApiServer, run: Run) -> None:
    done = run(*REFRESH, "--cluster", given=f"{KEY}\n")
    assert done.exit_code == 0, done.output
    assert cerebro_api.asked == [f"/v1/system/manifest/refresh {KEY}"] * 2
    assert "cerebro-api-1-0: reloaded" in done.stdout
    assert "cerebro-api-1-1: reloaded" in done.stdout
    assert api.authorizations == {f"Bearer {TOKEN}"}


def test_a_pod_that_cannot_be_asked_does_not_hide_the_other(
    cerebro_api: Api, world: World, run: Run
) -> None:
    world.api.forwards["cerebro-api-1-0"] = 1  # nothing listens there
    done = run(*REFRESH, "--cluster", given=KEY)
    assert done.exit_code == 1
    assert "error: cerebro-api-1-0: cannot be asked" in done.stderr
    assert "cerebro-api-1-1: reloaded" in done.stdout
    assert len(cerebro_api.asked) == 1


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (403, {"detail": f"no {KEY} here"}, "refused with 403: no *** here; the refresh needs a"),
        (401, {}, "refused with 401: it wants a key; one of tier3"),
        (404, {}, "refused with 404: this version of cerebro-api cannot be refreshed by hand"),
        (429, {}, "refused with 429: it was refreshed too often"),
        (504, [], "refused with 504: the pod took longer than 60 s"),
        (500, {}, "refused with 500: look at its log"),
        (
            200,
            {"status": "error", "models": 7, "detail": "no route to host"},
            "not refreshed, 7 models as before: no route to host",
        ),
        (302, {}, "refused with 302"),
    ],
)
def test_what_the_api_says_no_with(
    cerebro_api: Api, run: Run, status: int, content: object, sentence: str
) -> None:
    cerebro_api.answer = (status, content)
    done = run(*REFRESH, given=KEY)
    assert done.exit_code == 1
    assert sentence in done.stderr


def test_no_answer_and_no_key(
    cerebro_api: Api, account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no key of tier3; add one with" in run("manifest", "refresh").stderr
    account.put(Parameters.API_KEYS, SECRET)
    assert "cannot be read: it is no JSON" in run("manifest", "refresh").stderr
    account.put(Parameters.API_KEYS, f'{{"{SECRET}\\nkey": "tier3"}}')
    assert "the key of entry 1 is empty, begins or ends" in run("manifest", "refresh").stderr
    assert "that is no API key" in run(*REFRESH, given=f"{SECRET}\nx").stderr
    assert cerebro_api.asked == []
    monkeypatch.setattr(manifest, "address", lambda: "http://127.0.0.1:1")
    done = run(*REFRESH, given=KEY)
    assert done.exit_code == 1
    assert "http://127.0.0.1:1: cannot be reached" in done.stderr


@pytest.mark.usefixtures("world")
def test_a_forward_that_is_not_allowed_is_no_fault_of_the_network(
    cerebro_api: Api, api: ApiServer, run: Run
) -> None:
    api.answers["/api/v1/namespaces/cerebro/pods/cerebro-api-1-0/portforward"] = (403, {})
    done = run(*REFRESH, "--cluster", given=KEY)
    assert done.exit_code == 1
    assert "cerebro-api-1-0: cannot be asked: context test lacks a permission" in done.stderr
    assert len(cerebro_api.asked) == 1
