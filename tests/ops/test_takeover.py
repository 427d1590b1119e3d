"""`ops takeover`: refusals, and the order of changes in the cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

from charts.output import PENDING
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from ops import takeover
from tests.conftest import manifest
from tests.ops.conftest import error_of, invoke
from tests.ops.day_two.api_server import ApiServer, over_http, place
from tests.ops.review.live.server import API, ARGOCD, DECLARED, find

APPLICATION = "Application argocd/cerebro-api"
PROJECT = "AppProject argocd/gnosis-analytics"
ACCOUNT = "ServiceAccount cerebro/cerebro-api"
EXTERNAL_SECRET = "ExternalSecret cerebro/cerebro-api-secrets"  # noqa: S105 a name
SAVED = "saved-cerebro-api.yaml"
CLAIM = "PersistentVolumeClaim crawlers/ip-crawler"
NAMESPACES = [find("Namespace cerebro"), find("Namespace crawlers"), ARGOCD]


@pytest.fixture
def server(
    reviewed: Path, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """A cluster with the Deployment of cerebro-api, and dist/ in the current folder."""
    (reviewed / "dist" / PENDING).touch()
    monkeypatch.setattr("ops.rendered.FOLDER", reviewed / "dist")
    monkeypatch.setattr(takeover, "POLL_SECONDS", 0)
    server = ApiServer(DECLARED, [*NAMESPACES, by_hand()])
    # Argo CD starts a requested sync at once
    server.on_change = lambda path: server.objects[path].pop("operation", None)
    with over_http(server, kubeconfig):
        yield server


def by_hand() -> Manifest:
    item = find(API)
    item["metadata"] |= {"resourceVersion": "7", "uid": "x", "managedFields": []}
    item["spec"]["replicas"] = 5
    return item


def run(command: str, *options: str, name: str = "cerebro-api") -> Result:
    return invoke("takeover", command, name, *options)


def started(server: ApiServer, *present: str, name: str = "cerebro-api") -> None:
    """Start the takeover of an Application; objects of dist/ are then in the cluster."""
    assert run("start", "--yes", name=name).exit_code == 0
    server.changed.clear()
    server.objects |= {place(find(key)): find(key) for key in present}


def test_start_saves_the_objects_and_applies_without_automated_sync(server: ApiServer) -> None:
    done = run("start", "--yes")
    assert done.exit_code == 0
    assert f"Objects of cerebro-api in the cluster: {API}." in done.stderr
    (saved,) = yaml.safe_load_all(Path(SAVED).read_text("utf-8"))
    assert saved["spec"]["replicas"] == 5
    assert not {"resourceVersion", "uid", "managedFields"} & saved["metadata"].keys()
    assert Path(SAVED).stat().st_mode & 0o777 == 0o600
    project, application = map(place, (find(PROJECT), find(APPLICATION)))
    assert server.changed == [f"PATCH {project}", f"PATCH {application}"]
    applied = server.objects[application]["spec"]
    assert "automated" not in applied["syncPolicy"]
    assert applied["source"] == find(APPLICATION)["spec"]["source"]


def test_start_asks_first_and_overwrites_no_file(server: ApiServer) -> None:
    assert "nothing was changed. Pass --yes" in error_of(run("start"))
    assert not Path(SAVED).exists()
    Path(SAVED).write_text("a backup")
    assert error_of(run("start", "--yes")).startswith(f"{SAVED} already exists")
    assert Path(SAVED).read_text() == "a backup"
    assert server.changed == []
    assert run("start", "--yes", "--saved", "other.yaml").exit_code == 0


@pytest.mark.parametrize("command", ["start", "sync", "undo"])
def test_an_unknown_application(server: ApiServer, command: str) -> None:
    assert "dist/ has no Application nothing; use one of: aws-ssm, " in error_of(
        run(command, "--yes", name="nothing")
    )
    assert server.changed == []


def synced(phase: str, sync: str = "Synced", health: str = "Healthy") -> Manifest:
    state = {"phase": phase, "message": "one or more objects failed to apply"}
    status = {"operationState": state, "sync": {"status": sync}, "health": {"status": health}}
    return {**find(APPLICATION), "status": status}


@pytest.mark.parametrize(
    ("command", "stored", "problem"),
    [
        ("sync", synced("Failed", "OutOfSync"),
         "the sync failed: one or more objects failed to apply"),
        ("sync", None,
         "Application cerebro-api is not in the cluster; `ops takeover start cerebro-api` "),
        ("start", synced("Succeeded"),
         "Application cerebro-api is already in the cluster; `ops takeover sync` syncs it"),
    ],
)  # fmt: skip
def test_the_state_of_the_application(
    server: ApiServer, command: str, stored: Manifest | None, problem: str
) -> None:
    if stored:
        server.objects[place(stored)] = stored
    assert error_of(run(command, "--yes")).startswith(problem)
    assert len(server.changed) == (command == "sync" and stored is not None)


def test_sync_waits_for_the_end(server: ApiServer) -> None:
    server.objects[place(find(APPLICATION))] = synced("Succeeded", health="Degraded")
    done = run("sync", "--yes")
    assert (done.exit_code, done.stdout) == (0, "cerebro-api: Synced and Degraded.\n")
    assert server.changed == [f"PATCH {place(find(APPLICATION))}"]


def test_undo_restores_the_saved_objects_and_deletes_the_rest(server: ApiServer) -> None:
    others = [f"Application argocd/{name}" for name in ("aws-ssm", "namespace-crawlers")]
    started(server, APPLICATION, ACCOUNT, EXTERNAL_SECRET, *others)
    done = run("undo", "--yes")
    assert done.exit_code == 0
    assert f"restores 1 object, and deletes {ACCOUNT}, {EXTERNAL_SECRET}.\n" in done.stderr
    assert "Keeps" not in done.stderr
    assert "Not deleted" not in done.stdout
    application = place(find(APPLICATION))
    assert server.changed == [
        f"PATCH {application}",
        f"DELETE {application}",
        f"PUT {place(find(API))}",
        f"DELETE {place(find(ACCOUNT))}",
        f"DELETE {place(find(EXTERNAL_SECRET))}",
    ]


@pytest.mark.parametrize(
    ("name", "kept", "line"),
    [
        ("namespace-crawlers", "Namespace crawlers",
         "Namespace crawlers: deleting it deletes everything in it; `kubectl delete namespace "
         "crawlers`"),
        ("ip-crawler", CLAIM,
         f"{CLAIM}: deleting it may delete its data; `kubectl delete persistentvolumeclaim "
         "ip-crawler --namespace crawlers`"),
    ],
)  # fmt: skip
def test_undo_keeps_namespaces_and_claims(
    server: ApiServer, name: str, kept: str, line: str
) -> None:
    server.objects.pop(place(find(kept)), None)
    started(server, *(str(item.key) for item in takeover.Takeover(name, None).declared), name=name)
    done = run("undo", "--yes", name=name)
    assert done.exit_code == 0
    assert f"Keeps {kept}.\n" in done.stderr
    assert line in done.stdout
    assert f"DELETE {place(find(kept))}" not in server.changed
    assert [one for one in server.changed if one.startswith("DELETE ")]


CUSTOM = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db"}}


@pytest.mark.parametrize(
    ("item", "effect"),
    [
        (CUSTOM, "may delete what belongs to it; `kubectl delete cluster.postgresql.cnpg.io db`"),
        (find(APPLICATION), "may delete all objects that it syncs; `kubectl delete "
         "application.argoproj.io cerebro-api --namespace argocd`"),
    ],
)  # fmt: skip
def test_undo_keeps_what_takes_other_objects_along(item: Manifest, effect: str) -> None:
    assert takeover._kind(Declared.of(item)) not in takeover._REMOVABLE
    assert effect in takeover._how_to_remove(Declared.of(item))


@pytest.mark.parametrize(
    ("kind", "deleted"),
    [
        ("external-secrets.io/v1/SecretStore", True),
        ("v1/Service", True),
        ("serving.knative.dev/v1/Service", False),
    ],
)
def test_undo_deletes_kinds_of_their_own_group(kind: str, *, deleted: bool) -> None:
    item = Declared.of(manifest(kind, {}))
    assert (takeover._kind(item) in takeover._REMOVABLE) is deleted


@pytest.mark.parametrize(
    ("name", "later", "remedy"),
    [
        ("cerebro-api", "namespace-cerebro", "first run `ops takeover undo namespace-cerebro`"),
        ("cerebro-api", "root", "then `kubectl --namespace argocd delete application root`"),
        ("namespace-cerebro", "root", "then `kubectl --namespace argocd delete application root`"),
    ],
)
def test_undo_is_refused_while_a_later_application_exists(
    server: ApiServer, name: str, later: str, remedy: str
) -> None:
    started(server, f"Application argocd/{later}", name=name)
    error = error_of(run("undo", "--yes", name=name))
    assert error.startswith(f"Application {later} is in the cluster")
    assert error.endswith(remedy)
    assert server.changed == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: "",
        lambda _: "one: [",
        lambda _: "- text",
        lambda _: "kind: Deployment",
        lambda text: text.partition("apiVersion")[0],
        lambda text: text.partition("cerebro-api`, restored")[0],
        lambda text: text.replace("start cerebro-api", "start nebula"),
    ],
)
def test_undo_needs_the_whole_file_of_its_application(
    server: ApiServer, edit: Callable[[str], str]
) -> None:
    started(server)
    Path(SAVED).write_text(edit(Path(SAVED).read_text("utf-8")), "utf-8")
    assert error_of(run("undo", "--yes")).startswith(SAVED)
    Path(SAVED).unlink()
    assert error_of(run("undo", "--yes")).startswith(f"{SAVED} cannot be read: No such file")
    assert server.changed == []


def test_a_refusal_of_the_cluster(server: ApiServer) -> None:
    server.answers[f"PATCH {place(find(PROJECT))}"] = (403, {"message": "no"})
    assert error_of(run("start", "--yes")) == f"the cluster refuses PATCH of {PROJECT}: no"
