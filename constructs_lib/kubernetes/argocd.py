"""Argo CD: what is synced from Git, into which namespaces, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from constructs_lib.kubernetes.chart import Chart

API_VERSION = "argoproj.io/v1alpha1"
NAMESPACE = "argocd"
"""Where Argo CD runs and looks for Applications."""
CLUSTER = "https://kubernetes.default.svc"
"""The cluster that Argo CD itself runs in."""
DIST = "dist"
"""Where the manifests lie in the repository."""
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
    ],
    # Five attempts within five minutes: while it retries, Argo CD takes up no newer commit.
    "retry": {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m0s"}},
}


class AppProject(Construct):
    """The bounds of everything synced here: one repository, some namespaces, some kinds."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        description: str,
        namespaces: tuple[str, ...],
        cluster_kinds: Mapping[str, tuple[str, ...]],
        namespaced_kinds: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Declare it.

        `namespaces` are those that its Applications may sync into. The kinds are those of each API
        group; the group of the core is `""`.
        """
        super().__init__(scope, name)
        chart = Chart.above(scope)
        platform = chart.platform
        chart.add_custom(
            API_VERSION,
            "AppProject",
            chart.metadata(name),
            {
                "description": description,
                "sourceRepos": [platform.repository],
                "destinations": [
                    {"server": CLUSTER, "namespace": namespace} for namespace in namespaces
                ],
                "clusterResourceWhitelist": _group_kinds(cluster_kinds),
                "namespaceResourceWhitelist": _group_kinds(namespaced_kinds),
            },
        )


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
        """Declare it: `folder` below dist/, and `file` there (default: all of them), synced into
        `namespace` within the bounds of the AppProject `project`.

        `cascade` (default: on) makes its deletion delete what it synced.
        """
        super().__init__(scope, name)
        chart = Chart.above(scope)
        platform = chart.platform
        source: dict[str, Any] = {
            "repoURL": platform.repository,
            "targetRevision": platform.revision,
            "path": f"{DIST}/{folder}",
        }
        if file:
            source["directory"] = {"include": file}
        chart.add_custom(
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


def _group_kinds(kinds: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    return [{"group": group, "kind": kind} for group, of in kinds.items() for kind in of]
