"""Rules for Argo CD (sync, projects, pruning, release jobs) and secret stores."""

from collections import defaultdict
from fnmatch import fnmatch
from itertools import chain

from constructs_lib.manifests import argocd
from constructs_lib.manifests.argocd import NAMESPACE, WAVE, place, release_phases
from constructs_lib.manifests.objects import Object, at, is_cluster_scoped
from constructs_lib.manifests.references import DOCKER_CONFIG, project_of, secret_type
from constructs_lib.manifests.workload import Workload
from constructs_lib.model import Manifest
from constructs_lib.rules.model import ALL, PODS, Problem, Problems, Rendered, rule

_AUTOMATED = {
    "prune": "objects that are removed from Git stay in the cluster, and nothing updates them",
    "selfHeal": "changes by hand stay until Git changes",
}
_PROTECTED = {"Prune=false", "Delete=false"}


@rule(
    "ClusterSecretStore",
    "CustomResourceDefinition",
    "ExternalSecret",
    "Namespace",
    risk="delete",
    remedy="annotate it argocd.argoproj.io/sync-options: Prune=false,Delete=false",
)
def prunable_shared_object(item: Object, _: Rendered) -> Problems:
    """Removing a file by mistake must not delete a namespace, its data or its Secrets."""
    if item.kind == "ExternalSecret" and secret_type(item.manifest) != DOCKER_CONFIG:
        return
    if missing := sorted(_PROTECTED - argocd.protections(item)):
        contents = " with everything in it" if item.kind == "Namespace" else ""
        yield f"it can be pruned{contents} ({', '.join(missing)} is not set)"


@rule(
    "AppProject",
    risk="privilege",
    remedy="list each repository, namespace and kind",
    reviewed_by_field=True,
)
def unbounded_project(project: Object, rendered: Rendered) -> Problems:
    """Write access to a repository that Argo CD reads must not control the whole cluster."""
    spec = project.spec
    for field in ("sourceRepos", "destinations", "namespaceResourceWhitelist"):
        if not spec.get(field):
            yield f"{field} is empty"
    for repository in spec.get("sourceRepos") or ():
        if "*" in repository:
            yield f"syncs from any repository ({repository})"
        elif rendered.platform and repository != rendered.platform.repository:
            yield f"syncs from {repository}, which is not the platform's repository"
    yield from _unbounded(spec)


def _unbounded(spec: Manifest) -> Problems:
    """The destinations and kinds of a project that are not listed one by one."""
    for destination in spec.get("destinations") or ():
        namespace, server = destination.get("namespace", "*"), argocd.cluster(destination)
        if "*" in namespace or server != argocd.CLUSTER:
            text = f"syncs into namespace {destination.get('namespace')} of {server}"
            yield Problem(text, f"use a namespace of {argocd.CLUSTER}")
    for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist"):
        for allowed in spec.get(field) or ():
            if "*" in (allowed.get("kind", "*"), allowed.get("group", "*")):
                yield f"{field} allows every kind of {allowed.get('group') or 'the core group'}"


@rule("Application", risk="update", remedy="use the Application construct")
def unsafe_sync_policy(application: Object, rendered: Rendered) -> Problems:
    """The cluster must match Git: no manual changes, no leftovers, no lost objects."""
    spec = application.spec
    automated = argocd.automation(application)
    if automated is None:
        yield "is not synced until someone syncs it (syncPolicy.automated is off)"
    for field, otherwise in _AUTOMATED.items():
        if automated is not None and automated.get(field) is not True:
            yield f"{otherwise} (syncPolicy.automated.{field} is not true)"
    if automated and automated.get("allowEmpty"):
        yield "an empty folder would delete all objects (allowEmpty)"
    into = argocd.cluster(at(spec, "destination"))
    if into != argocd.CLUSTER:
        yield f"syncs into another cluster ({into})"
    source, platform = at(spec, "source"), rendered.platform
    if platform and source.get("repoURL") != platform.repository:
        yield f"reads {source.get('repoURL')}, which is not the platform's repository"
    if platform and source.get("targetRevision") != platform.revision:
        yield f"follows {source.get('targetRevision')}, which is not the platform's revision"
    owners = chain.from_iterable(rendered.sync.owners.values())
    if platform and not any(owner.key == application.key for owner in owners):
        yield f"syncs no file ({source.get('path')})"
    folder_of_applications = str(source.get("path", "")).endswith(f"/{NAMESPACE}")
    if folder_of_applications and argocd.cascades(application):
        yield Problem("deleting it would delete every Application", "remove its finalizer")


@rule(ALL, risk="update", remedy="sync each file with exactly one Application", needs_platform=True)
def unsynced_file(item: Object, rendered: Rendered) -> Problems:
    """A file without an Application is not deployed; two Applications revert each other."""
    sync = rendered.sync
    if not sync.applications or not item.file:
        return
    owners = sync.owners[item.file]
    if len(owners) != 1:
        names = ", ".join(owner.name for owner in owners)
        yield f"is synced by {names or 'no Application'}"


@rule(ALL, risk="update", remedy="allow it in the AppProject")
def disallowed_by_project(item: Object, rendered: Rendered) -> Problems:
    """Argo CD does not sync objects that the AppProject does not allow."""
    owner = rendered.sync.owner(item)
    project = rendered.objects.get(project_of(owner)) if owner else None
    if not project:
        return
    scope = "cluster" if is_cluster_scoped(item.manifest) else "namespace"
    refused = f"Argo CD does not sync it: the AppProject {project.name} does not allow"
    kinds = project.spec.get(f"{scope}ResourceWhitelist")
    if kinds is None and scope == "namespace":
        kinds = [{"group": "*", "kind": "*"}]
    if not any(
        fnmatch(item.key.group, one["group"]) and fnmatch(item.kind, one["kind"])
        for one in kinds or ()
    ):
        yield Problem(f"{refused} this kind", "add it to powerful_kinds")
    elif item.namespace in {*rendered.namespaces, NAMESPACE} and not any(
        fnmatch(item.namespace, one.get("namespace", "*"))
        for one in project.spec.get("destinations") or ()
    ):
        yield Problem(f"{refused} the namespace {item.namespace}", "add it to its destinations")


@rule(
    "ClusterSecretStore",
    risk="privilege",
    remedy="list the namespaces that read from it",
)
def mismatching_secret_store(store: Object, rendered: Rendered) -> Problems:
    """Every namespace that a store serves can read every parameter of the store."""
    conditions = store.spec.get("conditions") or ()
    served = {name for condition in conditions for name in condition.get("namespaces") or ()}
    reading: dict[str, list[Object]] = defaultdict(list)
    for item in rendered.objects.of_kinds("ExternalSecret"):
        if at(item.spec, "secretStoreRef").get("name") == store.name:
            reading[item.namespace].append(item)
    provider = at(store.spec, "provider", "aws")
    region = rendered.platform.region if rendered.platform else provider.get("region")
    if (provider.get("service"), provider.get("region")) != ("ParameterStore", region):
        text = f"does not read the parameters of {region}"
        yield Problem(text, "use the ParameterStore of that region")
    if not conditions or any(condition.keys() - {"namespaces"} for condition in conditions):
        yield "serves namespaces that are not listed by name"
        return
    if not any(rendered.objects.of_kinds("Namespace")):
        return
    for namespace in sorted(reading.keys() - served - {""}):
        text = f"does not serve {namespace}, whose Secrets from it get no new values"
        yield Problem(text, about=tuple(reading[namespace]))
    for namespace in sorted(served - reading.keys()):
        yield f"serves {namespace}, but no ExternalSecret there reads from it"


@rule(
    PODS,
    risk="downtime",
    remedy=f"set {WAVE} to -2 for dependencies of the job and -1 for the job, and omit it for "
    "workloads that wait for the job",
)
def unordered_release(release: Workload, rendered: Rendered) -> Problems:
    """A build that starts before its migration ends may find an unexpected schema."""
    phases = release_phases(release)
    if not phases:
        for item in argocd.needs(rendered.objects, release):
            if place(item) > place(release):
                text = f"is synced before {item.key}, which its pods need"
                yield Problem(text, f"lower the sync wave of that {item.kind}")
        return
    if "PreSync" in phases and any(argocd.needs(rendered.objects, release)):
        yield Problem("runs in PreSync, before the sync creates its dependencies", "use Sync")
        return
    for item in argocd.needs(rendered.objects, release):
        if place(item) >= place(release):
            yield f"runs before or together with {item.key}, which its pods need"
    for other in argocd.waiting(rendered.objects, release):
        if "PostSync" not in phases and place(other) <= place(release):
            yield f"runs after or together with {other.key}, which runs the same image"


@rule(PODS, risk="update", remedy="use ReleaseJob, which sets it on the ServiceAccount")
def unsynced_release(release: Workload, rendered: Rendered) -> Problems:
    """Argo CD does not compare hooks, so a change to only the hook would not be synced."""
    if not release_phases(release):
        return
    wanted = argocd.fingerprint(release.manifest)
    if not any(
        item.annotations.get(argocd.FINGERPRINT) == wanted
        for item in rendered.objects
        if item.file == release.file and not argocd.hook_phases(item)
    ):
        yield f"no object in its file has the annotation {argocd.FINGERPRINT}: {wanted}"
