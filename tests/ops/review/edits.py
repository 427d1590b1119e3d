"""Edits of dist/, and their review. Objects and fields are named as in a report.

For example `Deployment cerebro/cerebro-api` and `spec.ports[http].port`. `[0]` is the first item of
a list, `[http]` the item with this value in one of its fields, `[+]` a new item. As in
constructs_lib/rules/examples.yaml, `pod` is the pod spec, and `container` its first container.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from typing import Any

import yaml

from charts import registry
from constructs_lib.manifests.objects import POD_TEMPLATES, Object, group
from constructs_lib.model import Manifest, Pin
from ops.review.report import Report
from ops.review.revisions import STACK, Revision
from tests import fixed

Files = dict[str, str]
"""dist/ as text by path below it, and the template of SecretsStack by its whole path."""
Edit = Callable[[Files], Files]

_SEPARATOR = "---\n"
PLATFORM = replace(fixed.platform(), images=dict.fromkeys(fixed.platform().images, Pin("latest")))
"""As committed, but with unpinned images."""
_QUOTAS = {
    "cerebro": {
        "limits.cpu": "16",
        "limits.ephemeral-storage": "16Gi",
        "limits.memory": "16Gi",
        "persistentvolumeclaims": "0",
        "pods": "20",
        "requests.cpu": "4",
        "requests.ephemeral-storage": "2Gi",
        "requests.memory": "8Gi",
    },
    "crawlers": {
        "limits.cpu": "24",
        "limits.ephemeral-storage": "48Gi",
        "limits.memory": "40Gi",
        "persistentvolumeclaims": "2",
        "pods": "40",
        "requests.cpu": "6",
        "requests.ephemeral-storage": "8Gi",
        "requests.memory": "12Gi",
    },
}
"""The quotas in the expected findings; another service may need a larger one."""


@cache
def rendered() -> Files:
    """dist/ before an edit."""
    return _render(PLATFORM.images)


def _render(images: Mapping[str, Pin]) -> Files:
    with fixed.only():
        files = registry.render(replace(PLATFORM, images=images))
    for namespace, quota in _QUOTAS.items():
        path = f"cluster/namespace-{namespace}.k8s.yaml"
        for resource, hard in quota.items():
            value = hard if hard.endswith("Gi") else f'"{hard}"'
            files[path] = re.sub(rf"(    {resource}: ).+", rf"\g<1>{value}", files[path])
    return files


def review(before: Files, after: Files, path: str | None = None) -> Report:
    return Report(revision(before, "before", path), revision(after, "after", path))


def revision(files: Files, name: str = "a test", path: str | None = None) -> Revision:
    paths = {path if path == STACK else f"dist/{path}": text for path, text in files.items()}
    return Revision(name=name, commit=None, files=paths, path=path)


def said(report: Report) -> set[str]:
    """Class and object of every finding: `delete Deployment crawlers/nebula`."""
    return {f"{finding.risk} {finding.key}" for finding in report.findings}


def unchanged(files: Files) -> Files:
    return files


def together(*edits: Edit) -> Edit:
    def edit(files: Files) -> Files:
        for step in edits:
            files = step(files)
        return files

    return edit


def editing(steps: Mapping[str, Any]) -> Edit:
    """The edit that a case describes: a verb or an object in each step, and what changes."""
    return together(*(_step(target, change) for target, change in steps.items()))


def _step(target: str, change: Any) -> Edit:
    verb, _, rest = target.partition(" ")
    return _VERBS[verb](rest, change) if verb in _VERBS else _objects(target, change)


def _objects(name: str, change: Mapping[str, Any] | None) -> Edit:
    """Set fields of the objects of a name, which may have wildcards; None deletes the objects.

    The text of all others remains as it is.
    """

    def edit(files: Files) -> Files:
        edited = {
            file: _SEPARATOR.join(_documents(text, name, change))
            for file, text in files.items()
            if file.endswith(".yaml")
        }
        assert edited.items() - files.items(), f"dist/ has no {name}, or it is already so"
        return files | edited

    return edit


def _documents(text: str, name: str, change: Mapping[str, Any] | None) -> Iterator[str]:
    for document in text.split(_SEPARATOR):
        if not fnmatchcase(named(document), name):
            yield document
        elif change is not None:
            manifest = yaml.safe_load(document)
            for path, value in change.items():
                former = deepcopy(manifest)
                set_field(manifest, path, value)
                assert manifest != former, f"{name} already has {path}: {value}"
            yield yaml.safe_dump(manifest, sort_keys=False)


def set_field(manifest: Any, path: str, value: Any) -> None:
    """Set a field of an object or of a template, or remove it with None."""
    parent, last = _find(manifest, path)
    if last == "+":
        parent.append(value)
    elif value is None:
        del parent[last]
    else:
        parent[last] = value


@cache
def named(document: str) -> str:
    """`Deployment cerebro/cerebro-api`."""
    manifest = yaml.safe_load(document)
    return str(Object.of(manifest).key) if manifest else ""


def _find(manifest: Any, path: str) -> tuple[Any, str | int]:
    """The map or list that contains the field, and its key or index there."""
    path = re.sub(r"^container\b", "pod.containers[0]", path)
    if path.startswith("pod."):
        template = POD_TEMPLATES.get((group(manifest), manifest["kind"]), ())
        path = ".".join((*template, "spec", path.removeprefix("pod.")))
    steps = [step.strip("[]") for step in re.findall(r"\[[^\]]+\]|[^.\[\]]+", path)]
    found = manifest
    for step, following in pairwise(steps):
        if isinstance(found, dict):
            found.setdefault(step, [] if following == "+" else {})
        found = found[_key(found, step)]
    return found, _key(found, steps[-1])


def _key(parent: Any, step: str) -> str | int:
    if isinstance(parent, dict) or step == "+":
        return step
    if step.isdigit():
        return int(step)
    return next(
        place
        for place, item in enumerate(parent)
        if item == step or (isinstance(item, dict) and step in item.values())
    )


def _add(file: str, manifests: Iterable[Manifest]) -> Edit:
    """Append objects to a file."""
    texts = (yaml.safe_dump(manifest, sort_keys=False) for manifest in manifests)
    added = "".join(_SEPARATOR + text for text in texts)
    return lambda files: {**files, file: files[file] + added}


def _file(path: str, text: str | None) -> Edit:
    """Write a file, or delete it with None."""
    written = {} if text is None else {path: text}
    return lambda files: {name: files[name] for name in files if name != path} | written


def _pin(service: str, tag: str) -> Edit:
    """Pin an image. `sha-a@sha256:1` means a commit and a digest of only these digits."""
    tag = re.sub(r"(?<=sha-)(\w)(?=@|$)", 40 * r"\1", tag)
    tag = re.sub(r"(?<=sha256:)(\w)$", 64 * r"\1", tag)
    return lambda _: _pinned(service, tag)


@cache
def _pinned(service: str, tag: str) -> Files:
    return _render({**PLATFORM.images, service: Pin.parse(tag)})


def _reorder(file: str, _: None) -> Edit:
    """Reverse the order of the objects in a file."""
    return lambda files: {**files, file: _SEPARATOR.join(reversed(files[file].split(_SEPARATOR)))}


def _write(service: str, changes: Mapping[str, str]) -> Edit:
    """Replace every match of regular expressions in `dist/<service>.k8s.yaml`."""

    def edit(files: Files) -> Files:
        path = f"{service}.k8s.yaml"
        text = files[path]
        for old, new in changes.items():
            text, count = re.subn(old, new, text)
            assert count, f"{path} has no {old!r}"
        return {**files, path: text}

    return edit


_VERBS: Mapping[str, Callable[[str, Any], Edit]] = {
    "add": _add,
    "file": _file,
    "pin": _pin,
    "reorder": _reorder,
    "write": _write,
}
