"""Argo CD Applications and AppProjects."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from constructs import Construct

from constructs_lib.kubernetes.chart import ChartConstruct
from constructs_lib.manifests.argocd import CLUSTER, DIST, GROUP
from constructs_lib.manifests.objects import CLUSTER_SCOPED, Kind, gives_power
from constructs_lib.manifests.objects import group as group_of
from constructs_lib.model import Manifest
from constructs_lib.model.checks import checked
from constructs_lib.model.names import ObjectName

API_VERSION = f"{GROUP}/v1alpha1"
_COMPARE = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
"""Compute diffs in the API server: Argo CD's built-in schemas are those of one Kubernetes version
and report objects with newer fields as Unknown."""

# Reloader and `kubectl rollout restart` set an annotation to restart pods. Ignored by field
# manager: ignoring it by JSON pointer leaves an empty map, which is again a difference.
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
        # A file may be synced before its namespace's file. The first sync of a release job would
        # then fail, and Argo CD would wait for the job forever.
        "CreateNamespace=true",
        # Keeps fields of other managers. Without RespectIgnoreDifferences, which would make Argo CD
        # the owner of ignored fields and the application permanently OutOfSync.
        "ServerSideApply=true",
        # Does not wait for objects that are in sync: while SSM is unreachable, an unchanged
        # ExternalSecret cannot refresh and would block a release in its first wave.
        "ApplyOutOfSyncOnly=true",
    ],
    # Five retries, after 10, 20 and three times 30 seconds. Not more, because Argo CD ignores newer
    # commits while it retries, such as one that fixes a migration.
    "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "30s"}},
}


@checked
class AppProject(ChartConstruct):
    """The repository, namespaces and kinds that Applications may sync."""

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        description: str,
        namespaces: tuple[str, ...],
        powerful_kinds: Mapping[str, tuple[str, ...]],
        rendered: list[Manifest] | tuple[Manifest, ...] = (),
    ) -> None:
        """Declare the project.

        Args:
            scope: The chart.
            name: Name of the project.
            description: Description of the project.
            namespaces: Namespaces that its Applications may sync into.
            powerful_kinds: Allowed privileged kinds (RBAC, webhooks, CRDs, every cluster-scoped
                kind), by API group. The core group is `""`.
            rendered: The objects that its Applications sync; their unprivileged kinds are allowed.
                Default: none.
        """
        super().__init__(scope, name)
        kinds = {(group, kind) for group, of in powerful_kinds.items() for kind in of} | {
            kind
            for kind in ((group_of(item), item["kind"]) for item in rendered)
            if not gives_power(*kind)
        }
        cluster = kinds & CLUSTER_SCOPED
        self.project = self.add(
            API_VERSION,
            "AppProject",
            {
                "description": description,
                "sourceRepos": [self.platform.repository],
                "destinations": [
                    {"server": CLUSTER, "namespace": namespace} for namespace in namespaces
                ],
                "clusterResourceWhitelist": _group_kinds(cluster),
                "namespaceResourceWhitelist": _group_kinds(kinds - cluster),
            },
        )


@checked
class Application(ChartConstruct):
    """An Application that syncs a file or folder of dist/ automatically into one namespace.

    If a file or folder is emptied by mistake, nothing is deleted: automated sync does not remove
    the last object of an application (`allowEmpty`, off by default).
    """

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
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
            name: Name of the Application.
            project: Name of its AppProject.
            folder: Folder below dist/.
            namespace: Namespace for objects that do not set one.
            file: The only file of `folder` to sync. Default: all files.
            cascade: Whether deleting the Application deletes its objects. Default: yes.
        """
        super().__init__(scope, name)
        source = {
            "repoURL": self.platform.repository,
            "targetRevision": self.platform.revision,
            "path": f"{DIST}/{folder}",
            "directory": {"include": file} if file else None,
        }
        spec = {
            "project": project,
            "source": source,
            "destination": {"server": CLUSTER, "namespace": namespace},
            "ignoreDifferences": _WRITTEN_BY_OTHERS,
            "syncPolicy": _SYNC_POLICY,
        }
        finalizers = ("resources-finalizer.argocd.argoproj.io",) if cascade else ()
        self.application = self.add(
            API_VERSION, "Application", spec, annotations=_COMPARE, finalizers=finalizers
        )


def _group_kinds(kinds: AbstractSet[Kind]) -> list[dict[str, str]]:
    alphabetical = sorted(kinds, key=lambda kind: (kind[0], kind[1].lower()))
    return [{"group": group, "kind": kind} for group, kind in alphabetical]
