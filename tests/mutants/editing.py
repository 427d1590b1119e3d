"""Edits of rendered objects, as edits.yaml describes them."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from constructs_lib.manifests.objects import POD_TEMPLATES, group
from constructs_lib.model import Manifest

Edit = str | dict[str, Any]
Broken = Iterator[tuple[str, Manifest | None]]
"""A label and the broken object, or None if the object is removed."""
_CREATING = ("put", "append")
"""The operations that also set a missing field."""
EDITS: dict[str, list[Any]] = yaml.safe_load(Path(__file__).with_name("edits.yaml").read_text())


def edits_of(kind: str) -> Iterator[Edit]:
    """The edits of objects of a kind."""
    for kinds, edits in EDITS.items():
        if kind in kinds.split():
            yield from edits


def added() -> Iterator[Manifest]:
    """The objects to add."""
    metadata = {"name": "added", "namespace": "cerebro"}
    return (copy.deepcopy({**content, "metadata": metadata}) for content in EDITS["added"])


def broken(item: Manifest, edit: Edit) -> Broken:
    """Apply an edit at each place that its path matches, each in a separate copy."""
    if edit == "removed":
        yield "removed", None
    elif edit == "cut an exception":
        yield from _without_an_exception(item)
    elif edit == "open DNS to every address":
        yield from _with_open_dns(item)
    else:
        words, value = (edit, None) if isinstance(edit, str) else next(iter(edit.items()))
        operation, _, path = words.partition(" ")
        yield from _edited(item, operation, path, value)


def _edited(item: Manifest, operation: str, path: str, value: Any) -> Broken:
    whole_path = _whole(path, item)
    for index, (container, key) in enumerate(_find(item, whole_path)):
        if isinstance(container, dict) and key not in container and operation not in _CREATING:
            continue
        edited = copy.deepcopy(item)
        place, _ = list(_find(edited, whole_path))[index]
        match operation:
            case "put" | "become":
                place[key] = copy.deepcopy(value)
            case "append":
                place[key] = [*(place.get(key) or ()), copy.deepcopy(value)]
            case "twice":
                place[key] = [*place[key], *place[key][:1]]
            case "cut":
                del place[key]
            case _:
                raise ValueError(f"edits.yaml has an unknown operation: {operation}")
        stated = "" if value is None else f" {value!r}"
        yield f"{operation} {path.replace('*', str(index))}{stated}", edited


def _whole(path: str, item: Manifest) -> str:
    """The path of a field of the object, which may be in its pod template."""
    template = POD_TEMPLATES.get((group(item), item["kind"]), ())
    starts = {
        "template": template,
        "pod": (*template, "spec"),
        "container": (*template, "spec", "containers", "*"),
    }
    first, *rest = path.split("/")
    return "/".join([*starts.get(first, (first,)), *rest])


def _find(item: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Each container and key at a path; `*` matches every item of a list."""
    first, _, rest = path.partition("/")
    keys: list[Any]
    if isinstance(item, list):
        keys = list(range(len(item))) if first == "*" else []
    else:
        keys = [first.replace("~", "/")] if isinstance(item, dict) else []
    for key in keys:
        if not rest:
            yield item, key
        elif isinstance(item, list) or item.get(key) is not None:
            yield from _find(item[key], rest)


def _with_open_dns(policy: Manifest) -> Broken:
    broken = copy.deepcopy(policy)
    for rule in broken["spec"].get("egress") or ():
        if any(port.get("port") == 53 for port in rule["ports"]):
            del rule["to"]
            yield "spec/egress (DNS) to removed", broken


def _without_an_exception(policy: Manifest) -> Broken:
    """Remove an exception, unless every rule with that exception also opens it."""
    rules = [_ranges(rule) for rule in policy["spec"].get("egress") or ()]
    excepted = {one for blocks in rules for ranges in blocks.values() for one in ranges}
    for cidr in sorted(excepted):
        if all(cidr in blocks for blocks in rules if any(cidr in of for of in blocks.values())):
            continue
        for number, blocks in enumerate(rules):
            if any(cidr in of for of in blocks.values()):
                broken = copy.deepcopy(policy)
                for peer in broken["spec"]["egress"][number]["to"]:
                    kept = [one for one in peer.get("ipBlock", {}).get("except", ()) if one != cidr]
                    if kept:
                        peer["ipBlock"]["except"] = kept
                yield f"spec/egress/{number} except {cidr} removed", broken


def _ranges(rule: Manifest) -> dict[str, list[str]]:
    """The exceptions of each range in the peers of a rule."""
    blocks = [peer["ipBlock"] for peer in rule.get("to") or () if "ipBlock" in peer]
    return {block["cidr"]: block.get("except", []) for block in blocks}
