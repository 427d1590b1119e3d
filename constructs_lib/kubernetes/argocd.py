"""Argo CD: what is synced from Git, into which namespaces, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from constructs import Construct

from constructs_lib.checks import checked
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.manifests.argocd import DIST, GROUP
from constructs_lib.manifests.kinds import CLUSTER_SCOPED, Kind, gives_power
from constructs_lib.manifests.kinds import group as group_of
from constructs_lib.model import Manifest
from constructs_lib.names import check_object_name

API_VERSION = f"{GROUP}/v1alpha1"
CLUSTER = "https://kubernetes.default.svc"
"""The cluster that Argo CD itself runs in."""
_COMPARE = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
"""The API server itself says what a sync would change: Argo CD's own schemas are those of one
Kubernetes version, and call an object with a field of a later one Unknown."""
_CASCADE = "resources-finalizer.argocd.argoproj.io"

# Reloader, and `kubectl rollout restart`: what makes pods start anew. By their managers, not by
# JSON pointers: cutting out the one annotation leaves an empty map, which is a difference again.
_WRITTEN_BY_OTHERS = [
    {
        "group": "apps",
        "kind": "Deployment",
        "managedFieldsManagers": ["Reloader", "kubectl-rollout"],
    }
]
_SYNC_POLICY: dict[str, Any] = {
    "automated": {"prune": True, "selfHeal": True},
    "syncOptions": [
        # A file may be synced before the one with its namespace: a release job whose first sync
        # failed for that would be waited for endlessly. The namespace's own file then completes it.
        "CreateNamespace=true",
        # What others wrote stays theirs. Not with RespectIgnoreDifferences: it would make such a
        # field Argo CD's own, and its file, which lacks the field, out of sync for ever.
        "ServerSideApply=true",
        # What is in sync is not waited for: an ExternalSecret that is unchanged, but cannot be
        # refreshed while SSM is unreachable, would otherwise stop a release in its first wave.
        "ApplyOutOfSyncOnly=true",
    ],
    # Five more attempts, after 10, 20 and three times 30 seconds: while it retries, Argo CD takes
    # up no newer commit, such as one that corrects a migration.
    "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "30s"}},
}


@checked
class AppProject(Construct):
    """The bounds of everything synced here: one repository, some namespaces, some kinds."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        description: str,
        namespaces: tuple[str, ...],
        powerful_kinds: Mapping[str, tuple[str, ...]],
        rendered: Sequence[Manifest] = (),
    ) -> None:
        """Declare the project.

        Args:
            scope: The chart.
            name: Of the project.
            description: What it is for.
            namespaces: Those that its Applications may sync into.
            powerful_kinds: What it allows of the kinds that give power over the cluster (RBAC,
                webhooks, CRDs, every cluster-scoped kind), by API group; the group of the core is
                `""`.
            rendered: The objects that its Applications sync; the kinds of all others among them
                are allowed. Default: none.
        """
        check_object_name(name)
        super().__init__(scope, name)
        chart = Chart.of(scope)
        platform = chart.platform
        kinds = {(group, kind) for group, of in powerful_kinds.items() for kind in of} | {
            kind
            for kind in ((group_of(item), item["kind"]) for item in rendered)
            if not gives_power(*kind)
        }
        cluster = kinds & CLUSTER_SCOPED
        self.project = chart.add_custom(
            self,
            API_VERSION,
            "AppProject",
            chart.metadata(name),
            {
                "description": description,
                "sourceRepos": [platform.repository],
                "destinations": [
                    {"server": CLUSTER, "namespace": namespace} for namespace in namespaces
                ],
                "clusterResourceWhitelist": _group_kinds(cluster),
                "namespaceResourceWhitelist": _group_kinds(kinds - cluster),
            },
        )


@checked
class Application(Construct):
    """One Application: a file, or a folder, of dist/, synced by itself into one namespace.

    A folder or file emptied by mistake deletes nothing: automated sync refuses to remove the last
    object of an application (`allowEmpty`, off by default).
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        project: str,
        folder: str,
        namespace: str,
        file: str | None = None,
        cascade: bool = True,
    ) -> None:
        """Declare the application.

        Args:
            scope: The chart.
            name: Of the application.
            project: The AppProject whose bounds hold for it.
            folder: Below dist/.
            namespace: Where it syncs what names no namespace.
            file: The one file of `folder` that it syncs. Default: all of them.
            cascade: Whether its deletion deletes what it synced.
        """
        check_object_name(name)
        super().__init__(scope, name)
        chart = Chart.of(scope)
        platform = chart.platform
        source: dict[str, Any] = {
            "repoURL": platform.repository,
            "targetRevision": platform.revision,
            "path": f"{DIST}/{folder}",
        }
        if file:
            source["directory"] = {"include": file}
        self.application = chart.add_custom(
            self,
            API_VERSION,
            "Application",
            chart.metadata(name, annotations=_COMPARE, finalizers=(_CASCADE,) if cascade else ()),
            {
                "project": project,
                "source": source,
                "destination": {"server": CLUSTER, "namespace": namespace},
                "ignoreDifferences": _WRITTEN_BY_OTHERS,
                "syncPolicy": _SYNC_POLICY,
            },
        )


def _group_kinds(kinds: AbstractSet[Kind]) -> list[dict[str, str]]:
    alphabetical = sorted(kinds, key=lambda kind: (kind[0], kind[1].lower()))
    return [{"group": group, "kind": kind} for group, kind in alphabetical]
