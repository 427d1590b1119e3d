"""Rules for Argo CD (sync, projects, pruning), secret stores and Ingress TLS."""

from __future__ import annotations

import json
from functools import lru_cache

from constructs_lib.manifests.argocd import (
    GROUP,
    NAMESPACE,
    Sync,
    cascades,
    protections,
    refusals,
)
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import DOCKER_CONFIG, secret_type
from constructs_lib.manifests.routes import ALB, SCHEME
from constructs_lib.model import Manifest
from constructs_lib.rules.model import ALL, Problem, Problems, Rendered, rule

_CLUSTER = "https://kubernetes.default.svc"
_PROTECTED = {"Prune=false", "Delete=false"}
_SCHEMES = ("internal", "internet-facing")
_TLS = ("ELBSecurityPolicy-TLS13-", "ELBSecurityPolicy-FS-1-2-")


@lru_cache(maxsize=2)
def _sync(objects: Objects) -> Sync:
    return Sync(objects)


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
    if missing := sorted(_PROTECTED - protections(item)):
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
    for each in spec.get("destinations") or ():
        if "*" in each.get("namespace", "*") or each.get("server") != _CLUSTER:
            yield Problem(
                f"syncs into namespace {each.get('namespace')} of {each.get('server')}",
                f"use a namespace of {_CLUSTER}",
            )
    for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist"):
        for each in spec.get(field) or ():
            if "*" in (each.get("kind", "*"), each.get("group", "*")):
                yield f"{field} allows every kind of {each.get('group') or 'the core group'}"


@rule("Application", risk="update", remedy="use the Application construct")
def unsafe_sync_policy(application: Object, rendered: Rendered) -> Problems:
    """The cluster must match Git: no manual changes, no leftovers, no lost objects."""
    if application.key.group != GROUP:
        return
    spec = application.spec
    automated = (spec.get("syncPolicy") or {}).get("automated") or {}
    for field in ("prune", "selfHeal"):
        if automated.get(field) is not True:
            yield f"syncPolicy.automated.{field} is not true"
    if automated.get("allowEmpty"):
        yield "an empty folder would delete all objects (allowEmpty)"
    destination = spec.get("destination") or {}
    if destination.get("server") != _CLUSTER:
        yield f"syncs into another cluster ({destination.get('server')})"
    source, platform = spec.get("source") or {}, rendered.platform
    if platform and source.get("repoURL") != platform.repository:
        yield f"reads {source.get('repoURL')}, which is not the platform's repository"
    if platform and source.get("targetRevision") != platform.revision:
        yield f"follows {source.get('targetRevision')}, which is not the platform's revision"
    if platform and application.key not in _sync(rendered.objects).used:
        yield f"syncs no file ({source.get('path')})"
    folder_of_applications = str(source.get("path", "")).endswith(f"/{NAMESPACE}")
    if folder_of_applications and cascades(application):
        yield Problem("deleting it would delete every Application", "remove its finalizer")


@rule(ALL, risk="update", remedy="sync each file with exactly one Application", needs_platform=True)
def unsynced_file(item: Object, rendered: Rendered) -> Problems:
    """A file without an Application is not deployed; two Applications revert each other."""
    sync = _sync(rendered.objects)
    if not sync.applications or not item.file:
        return
    owners = sync.all_owners(item.file)
    if len(owners) != 1:
        names = ", ".join(one.name for one in owners)
        yield f"is synced by {names or 'no Application'}"


@rule(ALL, risk="update", remedy="allow it in the AppProject", needs_platform=True)
def disallowed_by_project(item: Object, rendered: Rendered) -> Problems:
    """Argo CD does not sync objects that the AppProject does not allow."""
    objects = rendered.objects
    owner = _sync(objects).owner(item)
    if owner is None:
        return
    project = objects.get(Key(GROUP, "AppProject", owner.namespace, str(owner.spec.get("project"))))
    if project is not None:
        declared = {one.name for one in objects.of_kinds("Namespace")}
        for text in refusals(item, project, {*declared, NAMESPACE}):
            yield Problem(f"Argo CD does not sync it: {text}", remedy="")


@rule(
    "ClusterSecretStore",
    risk="privilege",
    remedy="list the namespaces that read from it",
    reviewed_by_field=True,
)
def mismatching_secret_store(store: Object, rendered: Rendered) -> Problems:
    """Every namespace that a store serves can read every parameter of the store."""
    conditions = store.spec.get("conditions") or ()
    served = {name for one in conditions for name in one.get("namespaces") or ()}
    if not conditions or any(one.keys() - {"namespaces"} for one in conditions):
        yield "serves namespaces that are not listed by name"
    reading = {
        item.namespace
        for item in rendered.objects.of_kinds("ExternalSecret")
        if (item.spec.get("secretStoreRef") or {}).get("name") == store.name
    }
    provider = (store.spec.get("provider") or {}).get("aws") or {}
    region = rendered.platform.region if rendered.platform else provider.get("region")
    if (provider.get("service"), provider.get("region")) != ("ParameterStore", region):
        yield Problem(
            f"does not read the parameters of {region}", "use the ParameterStore of that region"
        )
    if not any(rendered.objects.of_kinds("Namespace")):
        return
    for namespace in sorted(reading - served):
        yield f"does not serve {namespace}, but ExternalSecrets there read from it"
    for namespace in sorted(served - reading):
        yield f"serves {namespace}, but no ExternalSecret there reads from it"


@rule("Ingress", risk="exposure", remedy="use the Alb construct")
def unencrypted_ingress(ingress: Object, rendered: Rendered) -> Problems:
    """Requests from the internet must use TLS and go directly to the pods."""
    notes = ingress.annotations
    certificate = rendered.platform.certificate_arn if rendered.platform else None
    if certificate and notes.get(f"{ALB}certificate-arn") != certificate:
        yield "does not use the platform's certificate (certificate-arn)"
    if notes.get(SCHEME) not in _SCHEMES:
        yield f"does not set who can reach it (scheme {notes.get(SCHEME)})"
    protocols = _protocols(notes.get(f"{ALB}listen-ports", "[]"))
    if "HTTPS" not in protocols:
        yield "does not listen on HTTPS (listen-ports)"
    if "HTTP" in protocols and f"{ALB}ssl-redirect" not in notes:
        yield "responds without TLS (no ssl-redirect)"
    if not notes.get(f"{ALB}ssl-policy", "").startswith(_TLS):
        yield f"allows old versions of TLS (ssl-policy {notes.get(f'{ALB}ssl-policy')})"
    if notes.get(f"{ALB}target-type") != "ip":
        yield "sends to nodes, which does not work with ClusterIP Services (target-type)"
    classes = (notes.get("kubernetes.io/ingress.class"), ingress.spec.get("ingressClassName"))
    if not any(classes):
        yield "has no ingress class, so no controller may serve it"
    elif all(classes):
        yield Problem("sets its ingress class twice, which the API server rejects", "keep one")


def _protocols(listeners: str) -> set[str]:
    try:
        found = json.loads(listeners)
    except ValueError:
        return set()
    listed = found if isinstance(found, list) else ()
    return {protocol for one in listed if isinstance(one, dict) for protocol in one}
