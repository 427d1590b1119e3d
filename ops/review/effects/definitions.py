"""CustomResourceDefinitions: their versions and schemas, and the objects that a change concerns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jsonschema_rs import Draft202012Validator, RegexOptions

from constructs_lib.manifests.objects import Key, Object, at
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops.review.diff import ABSENT, Change, Comparison, Path, contrast
from ops.review.effects.fields import TABLES, owned
from ops.review.model import HIGH, LOW, Finding, Findings, Risk, Severity, effect, listed

_SCHEMA = TABLES["schema"]
_KEYWORDS = {word: name for name, words in TABLES["keywords"].items() for word in words}
_RULES = "x-kubernetes-validations"
_IMPLIED = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],  # with x-kubernetes-int-or-string
    "x-kubernetes-list-type": "atomic",
    "x-kubernetes-map-type": "granular",
}
_VERSIONS = ("spec", "versions")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_OPEN = {_PRESERVE: True}
"""The schema of fields that no schema describes, and that are preserved."""
_ITEMS = "[]"
_FEW = 6
"""How many differences are shown with their values."""


@effect(risk="downtime")
def version_not_served(comparison: Comparison) -> Findings:
    """The API server refuses objects of a version that their definition does not serve."""
    for definition in comparison.after.of_kinds("CustomResourceDefinition"):
        was, now = _versions(comparison.before.get(definition.key)), _versions(definition)
        refused = {
            item.key: version
            for item, version in _objects(comparison, definition)
            if comparison.changes.keys() & {item.key, definition.key} and not now.get(version)
        }
        lost = [version for version in was if was[version] and not now.get(version)]
        change = comparison.change_of(definition.key)
        if lost or refused:
            versions = ", ".join(dict.fromkeys([*lost, *refused.values()]))
            objects = _named(refused, comparison) if refused else "all objects of this version"
            text = f"does not serve {versions}: the API server refuses {objects}"
            fields = change.among(*((*_VERSIONS, f"[{version}]") for version in lost))
            yield Finding(HIGH, text, fields, key=definition.key)
        if gone := [version for version in was if version not in now]:
            text = (
                f"removes {', '.join(gone)}: the API server refuses the definition while its "
                "status.storedVersions lists a removed version"
            )
            fields = change.among(*((*_VERSIONS, f"[{version}]") for version in gone))
            yield Finding(HIGH, text, fields, Risk.REPLACE, definition.key)


@effect("CustomResourceDefinition", risk="update")
def conversion_changed(change: Change, _: Comparison) -> Findings:
    """Objects are converted for clients that use another version than the stored one."""
    was, now = (
        at(side.spec, "conversion").get("strategy", "None")
        for side in (change.before, change.after)
    )
    severity, text = HIGH, "a webhook converts its objects; if it does not answer, requests fail"
    if len(_versions(change.after)) == 1 or was == now == "None":
        severity, text = LOW, "changes nothing: its objects need no webhook to convert them"
    elif now == "None":
        text = "no webhook converts its objects: they lose the fields that the other version lacks"
    if fields := owned(change, "conversion-changed"):
        yield Finding(severity, f"{text} (strategy {was} → {now})", fields)


class SchemaChange(NamedTuple):
    """One difference of two schemas."""

    consequence: str
    """A table of `schema` in fields.toml."""
    path: Path
    """Of the field in objects; `[]` for the items of a list and the values of a mapping."""
    what: str = ""
    """The keyword that differs, and its values; empty for the whole field."""


SchemaChanges = Iterator[tuple[SchemaChange, Path, Any]]
"""With the place of the values that each concerns: all that do not match a JSON schema."""
_ALL, _NONE = False, True


@effect("CustomResourceDefinition", risk="update")
def schema_changed(change: Change, comparison: Comparison) -> Findings:
    """The schema of a version decides which fields the API server accepts, fills in or drops."""
    was, now = _versions(change.before), _versions(change.after)
    fields = owned(change, "schema-changed")
    if added := [version for version in now if version not in was]:
        own = change.among(*((*_VERSIONS, f"[{version}]") for version in added))
        known = (one for one in own if one.path[-1] != "storage" or one.after is False)
        yield Finding(LOW, f"adds {', '.join(added)}", tuple(known))
    changes = _changes(change, comparison)
    if fields and not changes:
        text = "changes only descriptions, or versions that are not served on both sides"
        yield Finding(LOW, text, fields, Risk.NOISE)
    outcomes: dict[tuple[str, bool], list[SchemaChange]] = defaultdict(list)
    for one, objects in changes.items():
        outcomes[one.consequence, bool(objects)].append(one)
    for (name, is_hit), alike in outcomes.items():
        consequence = _SCHEMA[name]
        text = f"{consequence['text']}: {_summary(alike, is_hit=is_hit)}"
        if is_hit and "concerns" in consequence:
            keys = dict.fromkeys(key for one in alike for key in changes[one])
            text += f"; {consequence['concerns']} {_named(keys, comparison)}"
        elif "spares" in consequence and any(_objects(comparison, change.after)):
            text += f"; no object of {comparison.folder} {consequence['spares']}"
        elif "spares" in consequence:
            text += f"; {comparison.folder} has no object of this kind"
        severity = Severity(consequence["severities"][not is_hit])
        brief = f"{consequence['text']} fields or values" if name == "accepted" else ""
        yield Finding(severity, text, fields, Risk(consequence["risk"]), brief=brief)


def _changes(change: Change, comparison: Comparison) -> dict[SchemaChange, list[Key]]:
    """What differs in the versions that both sides serve or store, and for which objects."""
    changes: dict[SchemaChange, list[Key]] = defaultdict(list)
    was, now = _versions(change.before), _versions(change.after)
    versions = {version: version for version in was if was[version] and now.get(version)}
    former, stored = _stored(change.before), _stored(change.after)
    if stored not in ("", former):
        versions.setdefault(former, stored)
    for former, version in versions.items():
        users = [item for item, name in _objects(comparison, change.after) if name == version]
        try:
            old, new = _schema(change.before, former), _schema(change.after, version)
            for one, path, schema in _compared((), old, new):
                spares = Draft202012Validator(schema, pattern_options=RegexOptions()).is_valid
                changes[one] += [
                    item.key for item in users if not all(map(spares, _values(item.manifest, path)))
                ]
        except (AttributeError, LookupError, TypeError, ValueError):
            changes[SchemaChange("unknown", (version,), "the schema is not valid")] += ()
    return changes


def _compared(path: Path, old: Any, new: Any) -> SchemaChanges:
    """What differs between two schemas."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield from [(SchemaChange("unknown", path), path, _ALL)] if old != new else []
        return
    old, new = _plain(old), _plain(new)
    yield from _fields(path, old, new)
    for keyword in {**old, **new}:
        was, now = old.get(keyword, ABSENT), new.get(keyword, ABSENT)
        what = f"{keyword} {contrast(was, now, 40)}"
        match keyword:
            case _ if was == now or keyword in ("properties", "required"):
                pass
            case "default":
                yield SchemaChange("defaulted", path, what), path[:-1], {"required": [*path[-1:]]}
            case "items" | "additionalProperties" if ABSENT not in (was, now):
                yield from _compared((*path, _ITEMS), was, now)
            case "x-kubernetes-preserve-unknown-fields":
                if now is True or new.get("type", "object") == "object":
                    consequence = "accepted" if now is True else "dropped"
                    known = dict.fromkeys(at(new, "properties"), True)
                    others = {"properties": known, "additionalProperties": False}
                    yield SchemaChange(consequence, (*path, "*")), path, others
            case _:
                consequence, spared = _judged(keyword, was, now)
                yield SchemaChange(consequence, path, what), path, spared


def _plain(schema: Manifest) -> Manifest:
    """A schema without descriptions and implied keywords, in one notation."""
    plain = {
        keyword: value
        for keyword, value in schema.items()
        if _KEYWORDS.get(keyword) != "words" and value != _IMPLIED.get(keyword)
        if value is not False or keyword == "default"
    }
    if plain.pop("x-kubernetes-int-or-string", None):
        plain["type"] = ["integer", "string"]
    for limit in ("Maximum", "Minimum"):
        if f"exclusive{limit}" in plain:
            plain[f"exclusive{limit}"] = plain.pop(limit.lower(), None)
    if rules := plain.get(_RULES):
        plain[_RULES] = [
            rule["rule"] + " (optionalOldSelf)" * bool(rule.get("optionalOldSelf"))
            for rule in rules
        ]
    return plain


def _fields(path: Path, old: Manifest, new: Manifest) -> SchemaChanges:
    was, now = at(old, "properties"), at(new, "properties")
    for name in {**was, **now, **dict.fromkeys(new.get("required", ()))}:
        inner = (*path, name)
        former, schema = _field(old, name), _field(new, name)
        was_needed, is_needed = (
            name in side.get("required", ()) and "default" not in at(side, "properties", name)
            for side in (old, new)
        )
        if None not in (former, schema):
            yield from _compared(inner, former, schema)
        elif name in now and not is_needed:
            yield SchemaChange("accepted", inner), inner, _NONE
        elif name in was:
            yield SchemaChange("dropped", inner), inner, _ALL
        if is_needed and not was_needed:
            yield SchemaChange("refused", inner, "required"), path, {"required": [name]}
        elif was_needed and not is_needed and name in now:
            yield SchemaChange("accepted", inner, "optional"), inner, _NONE


def _field(schema: Manifest, name: str) -> Any:
    """The schema of a field; None if the API server drops it."""
    others = schema.get("additionalProperties", _OPEN if _PRESERVE in schema else None)
    return at(schema, "properties").get(name, others)


def _judged(keyword: str, was: Any, now: Any) -> tuple[str, Any]:
    """The consequence of another value of a keyword, and what matches the values to spare."""
    judgment = _KEYWORDS.get(keyword, "unknown")
    if keyword == "pattern" and "[:" in str(now):  # a class of POSIX, which Rust reads otherwise
        judgment = "unchecked"
    is_relaxed = now is (True if keyword == "nullable" else ABSENT)
    if keyword == _RULES and ABSENT not in (was, now):
        is_relaxed = all(rule in was for rule in now)
    if judgment == "evaluated" and not is_relaxed:
        try:
            Draft202012Validator({keyword: now}, pattern_options=RegexOptions())
            is_relaxed = was is not ABSENT and _is_within(keyword, was, now)
        except (TypeError, ValueError):  # another syntax, or a value of another type
            judgment = "unchecked"
    if is_relaxed and judgment in ("evaluated", "unchecked"):
        return "accepted", _NONE
    return ("refused", {keyword: now}) if judgment == "evaluated" else (judgment, _ALL)


def _is_within(keyword: str, was: Any, now: Any) -> bool:
    """Whether a keyword accepts all that it accepted before."""
    match keyword:
        case "enum":
            return all(map(Draft202012Validator({"enum": now}).is_valid, was))
        case "type":
            types = [one if isinstance(one, list) else [one] for one in (was, now)]
            return {*types[0]} <= {*types[1], *(["integer"] if "number" in types[1] else [])}
        case "multipleOf" | "pattern" | "uniqueItems":
            return False
    return bool(was <= now if "ax" in keyword else was >= now)


def _values(value: Any, path: Path) -> Iterator[Any]:
    """The values of an object at a path of its schema."""
    if not path:
        yield value
    elif path[0] == _ITEMS:
        items = value.values() if isinstance(value, dict) else value
        for item in items if isinstance(value, dict | list) else ():
            yield from _values(item, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _values(value[path[0]], path[1:])


def _summary(changes: list[SchemaChange], *, is_hit: bool) -> str:
    """Where a schema changes, and how; many changes in brief, if they concern no object."""
    is_brief = len(changes) > _FEW and not is_hit
    differences: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        path, what = ".".join(change.path).replace(f".{_ITEMS}", _ITEMS), change.what
        if is_brief:
            path, what = f"….{path.rpartition('.')[2]}", what.partition(" ")[0]
        differences[path] += filter(None, [what])
    texts = (
        f"{path} ({', '.join(dict.fromkeys(of))})" if of else path
        for path, of in differences.items()
    )
    return listed(list(texts), _FEW)


def _objects(comparison: Comparison, definition: Object) -> Iterator[tuple[Object, str]]:
    """The objects of a definition, and their versions."""
    kind = (definition.spec.get("group"), at(definition.spec, "names").get("kind"))
    for item in comparison.after:
        if (item.key.group, item.kind) == kind:
            yield item, item.manifest["apiVersion"].rpartition("/")[2]


def _named(keys: Iterable[Key], comparison: Comparison) -> str:
    names = [str(key).partition(" ")[2] for key in keys]
    return f"{plural(len(names), 'object')} of {comparison.folder} ({listed(names)})"


def _versions(definition: Object | None, field: str = "served") -> dict[str, bool]:
    """The versions, and whether each is served."""
    versions = definition.spec.get("versions") or () if definition else ()
    return {version["name"]: bool(version.get(field)) for version in versions}


def _stored(definition: Object) -> str:
    """The version in which objects are stored."""
    versions = _versions(definition, "storage").items()
    return next((version for version, is_stored in versions if is_stored), "")


def _schema(definition: Object, name: str) -> Manifest:
    """The schema of a version, with the fields that every object has."""
    versions = {version["name"]: version for version in definition.spec["versions"]}
    schema = at(versions[name], "schema", "openAPIV3Schema")
    properties = at(schema, "properties")
    metadata = {"type": "object", **_OPEN, **at(properties, "metadata")}
    fields = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    return {**schema, "properties": {**fields, **properties, "metadata": metadata}}
