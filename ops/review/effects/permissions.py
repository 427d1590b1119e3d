"""`privilege`: the permissions of pods, service accounts, Argo CD, the stack and others."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import partial
from itertools import product

from constructs_lib.manifests.argocd import PROJECT_BOUNDS, cluster
from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.objects import Object, at
from constructs_lib.model import Manifest
from constructs_lib.rules.security import ROLE
from ops.review.diff import ANY_STATE, NOTHING, Comparison, State, shown
from ops.review.effects.fields import owned
from ops.review.effects.iam import permissions
from ops.review.model import HIGH, LOW, Finding, Findings, effect

Request = tuple[str, ...]
"""What a role allows: a verb, a resource or URL, and if the rule has them, API group and name."""
Permissions = Callable[[Object], Iterable[str | Request]]
"""What an object allows, in words or as requests."""


def _of_account(account: Object) -> Iterator[str]:
    """What its pods can do by default."""
    if role := account.annotations.get(ROLE):
        yield f"act as IAM role {role}"
    if account.manifest.get("automountServiceAccountToken") is not False:
        yield "call the API server with its token, unless the pod opts out"


def _of_role(role: Object) -> Iterator[Request]:
    return _of_rules(role.manifest.get("rules") or ())


def _of_rules(rules: Iterable[Manifest]) -> Iterator[Request]:
    for rule in rules:
        targets = rule.get("resources") or rule.get("nonResourceURLs") or ()
        groups = [group or "core" for group in rule.get("apiGroups") or ()]
        names = rule.get("resourceNames") or [""]
        yield from product(rule.get("verbs") or (), targets, groups or [""], names)


def _spelled(requests: Iterable[Request]) -> Iterator[str]:
    """Requests in words; those that differ in one part only, first in their verb, as one."""
    requests = dict.fromkeys(requests)
    for place in range(4):
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for one in requests:
            alike[(*one[:place], *one[place + 1 :])].append(one[place])
        requests = [
            (*rest[:place], ", ".join(parts), *rest[place:]) for rest, parts in alike.items()
        ]
    for verbs, targets, groups, names in requests:
        yield (
            f"{verbs} {targets}{groups and f' in API group {groups}'}{names and f', named {names}'}"
        )


def _of_binding(binding: Object) -> Iterator[str]:
    role = binding.manifest.get("roleRef") or {}
    for subject in binding.manifest.get("subjects") or ():
        name = f"{subject.get('namespace', '')}/{subject.get('name')}"
        yield f"{role.get('kind')} {role.get('name')} for {subject.get('kind')} {name}"


def _of_project(project: Object) -> Iterator[str]:
    if project.spec.get("namespaceResourceWhitelist") is None:
        yield "sync every namespaced kind (*)"
    for source in project.spec.get("sourceRepos") or ():
        yield f"sync from {source}"
    for target in project.spec.get("destinations") or ():
        yield f"sync into namespace {target.get('namespace')} of {cluster(target)}"
    for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist"):
        for kind in project.spec.get(field) or ():
            yield f"sync {kind.get('kind')} in API group {kind.get('group') or 'core'}"


def _of_other_project_fields(project: Object) -> Iterator[str]:
    """What a project sets besides its bounds, such as roles."""
    for field in sorted(project.spec.keys() - {*PROJECT_BOUNDS, "description"}):
        yield f"{field} {shown(project.spec[field])}"


def _of_application(application: Object) -> Iterator[str]:
    """What Argo CD syncs, from where and into which cluster: one phrase for each source."""
    spec = application.spec
    into = at(spec, "destination")
    place = f"namespace {into.get('namespace')} of {cluster(into)}"
    for source in spec.get("sources") or [spec.get("source") or {}]:
        revision = source.get("targetRevision", "HEAD")
        yield (
            f"sync {_files(source)} of {source.get('repoURL')} at {revision} into {place}, "
            f"in project {spec.get('project', 'default')}"
        )


def _of_destination(application: Object) -> Iterator[str]:
    into = at(application.spec, "destination")
    yield f"apply its objects to namespace {into.get('namespace')} of {cluster(into)}"


def _files(source: Manifest) -> str:
    include = at(source, "directory").get("include", "")
    path = "/".join(filter(None, (source.get("path"), include)))
    files = path or (f"chart {source['chart']}" if "chart" in source else "all files")
    tools = sorted(source.keys() - {"chart", "directory", "path", "repoURL", "targetRevision"})
    return f"{files} (with {', '.join(tools)})" if tools else files


def _of_webhooks(configuration: Object) -> Iterator[str]:
    verb = "change" if configuration.kind.startswith("Mutating") else "refuse"
    for webhook in configuration.manifest.get("webhooks") or ():
        client = at(webhook, "clientConfig")
        service = at(client, "service")
        who = client.get("url") or f"Service {service.get('namespace')}/{service.get('name')}"
        outage = "" if webhook.get("failurePolicy") == "Ignore" else ", which fail if it is down"
        rules = ({**rule, "verbs": rule.get("operations")} for rule in webhook.get("rules") or ())
        yield from (f"{who} may {verb} {one}{outage}" for one in _spelled(_of_rules(rules)))


def _of_store(store: Object) -> Iterator[str]:
    conditions = store.spec.get("conditions")
    if not conditions:
        yield "use by ExternalSecrets in all namespaces"
    for condition in conditions or ():
        for name in condition.get("namespaces") or [shown(condition)]:
            yield f"use by ExternalSecrets in namespace {name}"


def _of_provider(store: Object) -> Iterator[str]:
    for name, settings in (store.spec.get("provider") or {}).items():
        yield f"read secrets through {name}: {shown(settings)}"


_UNLESS_REMOVED: tuple[State, ...] = ("added", "changed")
"""Without the object, its Applications and readers can do less, not more."""
_DENIALS = partial(permissions, denied=True)
_PERMISSIONS: tuple[tuple[str, Sequence[State], Permissions], ...] = (
    ("AppProject", _UNLESS_REMOVED, _of_project),
    ("AppProject", ["added"], _of_other_project_fields),
    ("Application", ["added"], _of_application),
    ("Application", ["changed"], _of_destination),
    ("ClusterRole Role", ANY_STATE, _of_role),
    ("ClusterRoleBinding RoleBinding", ANY_STATE, _of_binding),
    ("ClusterSecretStore", _UNLESS_REMOVED, _of_store),
    ("ClusterSecretStore", ["added"], _of_provider),
    ("ServiceAccount", ANY_STATE, _of_account),
    ("MutatingWebhookConfiguration ValidatingWebhookConfiguration", ANY_STATE, _of_webhooks),
    (STACK_GROUP, ANY_STATE, partial(permissions, denied=False)),
    (STACK_GROUP, ANY_STATE, _DENIALS),
)
"""Kinds, when they are reported, and what their objects allow, or deny."""


@effect(risk="privilege")
def permissions_changed(comparison: Comparison) -> Findings:
    """Accounts, roles, IAM policies, projects, Applications and stores allow more or less."""
    for kinds, states, of in _PERMISSIONS:
        words, severities = ("new permissions:", "removed permissions:"), (HIGH, LOW)
        if of is _DENIALS:
            words, severities = ("now denies:", "no longer denies:"), (LOW, HIGH)
        for change in comparison.changed(kinds.split(), states):
            was, now = (
                dict.fromkeys(() if side is NOTHING else of(side)).keys()
                for side in (change.before, change.after)
            )
            sides = _beyond(was, now), _beyond(now, was)
            fields = owned(change, "permissions-changed")
            for finding in Finding.gains_and_losses(*sides, words, severities, fields):
                yield replace(finding, key=change.key)


def _beyond(allowed: Set[str | Request], others: Set[str | Request]) -> list[str]:
    """What others do not allow. Wildcards first, so that a list that is cut shows them."""
    texts = [one for one in allowed if isinstance(one, str) and one not in others]
    requests = [
        one
        for one in allowed
        if isinstance(one, tuple)
        and others.isdisjoint(product(*((part, "*") for part in one[:3]), (one[3], "")))
    ]
    return sorted([*texts, *_spelled(requests)], key=lambda text: "*" not in text)
