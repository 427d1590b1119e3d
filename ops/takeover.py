"""`ops takeover`: hand a running platform over to Argo CD, one Application at a time."""

import time
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from constructs_lib.manifests.argocd import NAMESPACE, covers
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops import rendered, terminal
from ops.cluster import APPLY_PATCH, FIELD_MANAGER, MERGE_PATCH, Cluster
from ops.cluster.client import Resource, in_parallel
from ops.commands import Context, Yes
from ops.errors import ClusterError, OpsError
from ops.review.live.dry_run import LAST_APPLIED, normalized

POLL_SECONDS = 1.0
_REMOVABLE = """
ConfigMap LimitRange ResourceQuota Service ServiceAccount
DaemonSet.apps Deployment.apps HorizontalPodAutoscaler.autoscaling CronJob.batch Job.batch
ClusterSecretStore.external-secrets.io ExternalSecret.external-secrets.io
SecretStore.external-secrets.io Ingress.networking.k8s.io NetworkPolicy.networking.k8s.io
PodDisruptionBudget.policy Role.rbac.authorization.k8s.io RoleBinding.rbac.authorization.k8s.io
""".split()  # noqa: SIM905 as a list, each kind has a line
"""Kinds that hold nothing but what dist/ says: a deletion loses no data and no other objects."""
_LOSSES = {
    "Application": "may delete all objects that it syncs",
    "Namespace": "deletes everything in it",
    "PersistentVolumeClaim": "may delete its data",
    "StatefulSet": "may delete its claims, and their data",
}
"""What the deletion of an object of another kind does."""

app = typer.Typer(
    add_completion=False,
    help="Hand a running platform over to Argo CD (see docs/takeover.md).",
    no_args_is_help=True,
)

Application = Annotated[
    str, typer.Argument(metavar="APPLICATION", help="An Application in dist/argocd: `cerebro-api`.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--saved",
        help="The file with the saved objects. Default: saved-APPLICATION.yaml.",
        show_default=False,
    ),
]


@app.command()
def start(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Save the objects of an Application, and apply it without automated sync.

    Argo CD then shows the differences, and changes nothing. Continue with
    `ops takeover sync`.

    Exit status: 0 applied, 1 refused: the file or the Application already
    exists, or the cluster could not be queried.
    """
    takeover = Takeover(application, context)
    file = saved or Path(f"saved-{application}.yaml")
    if takeover.live(takeover.application):
        raise OpsError(
            f"Application {application} is already in the cluster; "
            "`ops takeover sync` syncs it, `ops takeover undo` removes it"
        )
    found = takeover.live_among(takeover.declared)
    terminal.info(f"Objects of {application} in the cluster: {_listed(found) or 'none'}.")
    terminal.confirm(
        f"Save them to {file}, and apply Application {application} without automated sync?", yes=yes
    )
    _write(file, application, [_restorable(item.manifest) for item in found])
    manual = deepcopy(takeover.application.manifest)
    manual["spec"]["syncPolicy"].pop("automated", None)
    for item in (takeover.project, Declared.of(manual)):
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        takeover.change("PATCH", item, item.manifest, query=query, content_type=APPLY_PATCH)
    terminal.show(
        f"Application {application} is applied, without a sync. Continue with "
        f"`python -m ops takeover sync {application}`, or go back with `… undo {application}`."
    )


@app.command()
def sync(
    application: Application,
    *,
    context: Context = None,
    patience: Annotated[int, typer.Option(min=1, help="Minutes to wait for the sync.")] = 10,
    yes: Yes = False,
) -> None:
    """Sync an Application once, and wait until it is Synced.

    Exit status: 0 synced, 1 failed or timed out (Argo CD continues the sync).
    """
    takeover = Takeover(application, context)
    terminal.confirm(f"Sync Application {application} now?", yes=yes)
    if not takeover.live(takeover.application):
        raise OpsError(
            f"Application {application} is not in the cluster; "
            f"`ops takeover start {application}` applies it"
        )
    sync_options = takeover.application.spec["syncPolicy"].get("syncOptions") or []
    by = {"username": "ops takeover"}
    operation = {"initiatedBy": by, "sync": {"syncOptions": sync_options}}
    options = {"query": {"fieldManager": FIELD_MANAGER}, "content_type": MERGE_PATCH}
    takeover.change("PATCH", takeover.application, {"operation": operation}, **options)
    with terminal.waiting(f"Argo CD syncs {application}"):
        state = _wait(takeover, patience)
    terminal.show(f"{application}: {state}.")


@app.command()
def undo(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Remove an Application without its objects, and restore the saved ones.

    Deletes the objects that did not exist before. Keeps, and lists, those whose
    deletion could lose data or other objects, such as Namespaces and claims. A
    Secret that an ExternalSecret has adopted stays, with its current values.

    Refuses while the Application of its namespace or the root Application is in
    the cluster.

    Exit status: 0 restored, 1 refused or failed; run it again to continue.
    """
    takeover = Takeover(application, context)
    file = saved or Path(f"saved-{application}.yaml")
    former = _read(file, application)
    _require_undoable(takeover)
    known = {takeover.application.key, *(item.key for item in former)}
    added = takeover.live_among(item for item in takeover.declared if item.key not in known)
    removable = [item for item in added if _kind(item) in _REMOVABLE]
    kept = [item for item in added if _kind(item) not in _REMOVABLE]
    terminal.info(
        f"Removes Application {application}, restores {plural(len(former), 'object')}, and deletes "
        f"{_listed(removable) or 'nothing'}.{f' Keeps {_listed(kept)}.' if kept else ''}"
    )
    terminal.confirm("Continue?", yes=yes)
    if takeover.live(takeover.application):
        orphaned = {"metadata": {"finalizers": None}}
        takeover.change("PATCH", takeover.application, orphaned, content_type=MERGE_PATCH)
        takeover.delete(takeover.application)
    for item in former:
        takeover.restore(item)
    for item in removable:
        takeover.delete(item)
    terminal.show(f"{application} is restored from {file}; delete the file to start again.")
    if kept:
        terminal.show("Not deleted, because data or other objects could be lost:")
        for item in kept:
            terminal.show(f"  {_how_to_remove(item)}")


class Takeover:
    """An Application in dist/, and its cluster."""

    def __init__(self, name: str, context: str | None) -> None:
        """Raises OpsError if dist/ does not have the Application."""
        self.cluster = Cluster(context)
        objects = rendered.objects()
        named = {item.name: item for item in objects.of_kinds("Application")}
        if name not in named:
            raise OpsError(
                f"dist/ has no Application {name}; use one of: {', '.join(sorted(named))}"
            )
        self.application = named.pop(name)
        projects = {project.name: project for project in objects.of_kinds("AppProject")}
        self.project = projects[self.application.spec["project"]]
        self.declared = [item for item in objects if covers(self.application, item.file)]
        """The objects that it syncs."""
        inside = {item.namespace for item in self.declared}
        namespaces = [item for item in objects.of_kinds("Namespace") if item.name in inside]
        self.later = [
            other
            for held in (self.application, *namespaces)  # root holds the other Applications, too
            for other in named.values()
            if covers(other, held.file)
        ]
        """The root Application, then the Applications of its namespaces."""

    def live(self, item: Declared) -> Manifest | None:
        """Return an object in the cluster; None if it does not exist."""
        return self.cluster.read(self._resource(item).path(item.name, item.namespace))

    def live_among(self, items: Iterable[Declared]) -> list[Declared]:
        """Return those of the objects that are in the cluster."""
        return [Declared.of(found) for found in in_parallel(self.live, items) if found]

    def restore(self, item: Declared) -> None:
        """Replace or create an object."""
        live = self.live(item)
        if live:
            item.manifest["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        self.change("PUT" if live else "POST", item, item.manifest)

    def delete(self, item: Declared) -> None:
        """Delete an object, but not the Secret of an ExternalSecret: it may be the only copy."""
        policy = "Orphan" if item.kind == "ExternalSecret" else "Background"
        self.change("DELETE", item, query={"propagationPolicy": policy})

    def change(self, method: str, item: Declared, body: Any = None, **options: Any) -> None:
        """Send a request about an object, with the options of `Cluster.exchange`."""
        path = self._resource(item).path(None if method == "POST" else item.name, item.namespace)
        response = self.cluster.exchange(method, path, body=body, **options)
        if not response.accepted and (method, response.status) != ("DELETE", 404):
            reason = response.message or response.status
            raise ClusterError(f"the cluster refuses {method} of {item.key}: {reason}")

    def _resource(self, item: Declared) -> Resource:
        return self.cluster.resource(item.manifest["apiVersion"], item.kind)


def _wait(takeover: Takeover, minutes: int) -> str:
    """Wait for the sync; return `Synced and Healthy`. Raises OpsError if it fails."""
    deadline = time.monotonic() + minutes * 60
    while True:
        found = takeover.live(takeover.application) or {}
        status = found.get("status") or {}
        state = status.get("operationState") or {}
        sync, health = (
            (status.get(field) or {}).get("status", "Unknown") for field in ("sync", "health")
        )
        if "operation" not in found and state.get("phase") in ("Succeeded", "Failed", "Error"):
            if state["phase"] != "Succeeded":
                raise OpsError(f"the sync failed: {state.get('message', '')}")
            if sync == "Synced" and health != "Progressing":
                return f"{sync} and {health}"
        if time.monotonic() > deadline:
            raise OpsError(
                f"timeout after {minutes} minutes ({sync}, {health}): "
                f"{state.get('message', '')}; check it in Argo CD, or run this again"
            )
        time.sleep(POLL_SECONDS)


def _require_undoable(takeover: Takeover) -> None:
    """Raise OpsError while a later Application would undo the undo, or break the pods."""
    name = takeover.application.name
    for other in filter(takeover.live, takeover.later):
        problem = (
            f", and its policies apply to the pods of {name}; first run `ops takeover undo "
            f"{other.name}`"
        )
        if covers(other, takeover.application.file):
            run = f"`kubectl --namespace {NAMESPACE}"
            patch = '{"metadata": {"finalizers": null}}'
            problem = (
                f" and would create Application {name} again; first remove it without its "
                f"Applications: {run} patch application {other.name} --type merge --patch "
                f"'{patch}'`, then {run} delete application {other.name}`"
            )
        raise OpsError(f"Application {other.name} is in the cluster{problem}")


def _write(file: Path, application: str, objects: list[Manifest]) -> None:
    """Save objects. Raises OpsError if the file exists: it may be the only backup."""
    try:
        file.touch(0o600, exist_ok=False)  # a manifest applied by hand may have a password
        file.write_text(_header(application, len(objects)) + yaml.safe_dump_all(objects), "utf-8")
    except FileExistsError as error:
        raise OpsError(
            f"{file} already exists and may be needed for `undo`; delete it, or pass another "
            "file with --saved"
        ) from error
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}") from error


def _read(file: Path, application: str) -> list[Declared]:
    """Return saved objects. Raises OpsError if the file is missing, not whole, or of another."""
    try:
        text = file.read_text("utf-8")
        objects = [Declared.of(item) for item in yaml.safe_load_all(text) if item]
    except OSError as error:
        raise OpsError(
            f"{file} cannot be read: {error.strerror}; pass the file with --saved"
        ) from error
    except (yaml.YAMLError, UnicodeError, KeyError, TypeError, AttributeError) as error:
        raise OpsError(f"{file} has no saved objects; pass another file with --saved") from error
    if not text.startswith(_header(application, len(objects))):
        raise OpsError(
            f"{file} does not have the saved objects of {application}, or not all of them; "
            "pass another file with --saved"
        )
    return objects


def _header(application: str, count: int) -> str:
    return (
        f"# {plural(count, 'object')} saved by `ops takeover start {application}`, restored by "
        f"`ops takeover undo {application}`.\n"
    )


def _restorable(stored: Manifest) -> Manifest:
    """Return the fields that a user set."""
    item = normalized(stored)
    applied = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if applied:
        item["metadata"].setdefault("annotations", {})[LAST_APPLIED] = applied
    return item


def _listed(objects: Iterable[Declared]) -> str:
    """`Deployment cerebro/api, Service cerebro/api`; empty without objects."""
    return ", ".join(str(item.key) for item in objects)


def _kind(item: Declared) -> str:
    """`Deployment.apps`, as kubectl accepts it."""
    return f"{item.kind}.{item.key.group}".rstrip(".")


def _how_to_remove(item: Declared) -> str:
    """A kept object, what its deletion does, and the command for it."""
    inside = f" --namespace {item.namespace}" if item.namespace else ""
    loss = _LOSSES.get(item.kind, "may delete what belongs to it")
    command = f"kubectl delete {_kind(item).lower()} {item.name}{inside}"
    return f"{item.key}: deleting it {loss}; `{command}`"
