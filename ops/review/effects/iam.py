"""The IAM policies in the template of SecretsStack: what they allow and deny."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from constructs_lib.manifests.objects import Object, at
from ops.review.diff import shown

_PSEUDO_PARAMETER = re.compile(r"\$\{AWS::\w+\}")


def permissions(item: Object, *, denied: bool) -> Iterator[str]:
    """What the policies of a resource allow, or deny, per statement and resource."""
    for purpose, entry in _entries(item):
        if _denies(entry) is denied:
            yield from (f"{purpose}{text}" for text in _in_words(entry))


def obstacle(roles: list[Object], action: str, target: str) -> str:
    """Why roles may not use a parameter, by path, or a key, by ARN; empty if they may."""
    entries = [entry for role in roles for purpose, entry in _entries(role) if not purpose]
    about = [one for one in entries if isinstance(one, dict) and _covers(one, action, target)]
    if any(map(_denies, about)):
        return "a policy of the stack denies"
    if any(not one.get("Condition") for one in about):
        return ""
    return "no policy of the stack allows"


def _entries(item: Object) -> Iterator[tuple[str, Any]]:
    """The statements of each policy, and what they are for; other shapes as they are."""
    properties = at(item.manifest, "Properties")
    for policy in (properties, *_as_list(properties.get("Policies") or [])):
        document = policy.get("PolicyDocument") if isinstance(policy, dict) else policy
        yield from (("", entry) for entry in _statements(document))
    for entry in _statements(properties.get("AssumeRolePolicyDocument")):
        yield "assume this role: ", entry
    for entry in _as_list(properties.get("ManagedPolicyArns") or []):
        yield "managed policy ", entry


def _statements(document: Any) -> list[Any]:
    statements = document.get("Statement", document) if isinstance(document, dict) else document
    return [] if not statements else [document] if statements is document else _as_list(statements)


def _denies(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("Effect") == "Deny"


def _covers(statement: dict[str, Any], action: str, target: str) -> bool:
    actions = any(_matches(one.lower(), action.lower()) for one in _texts(statement, "Action"))
    resources = any(_names(one, target) for one in _texts(statement, "Resource"))
    return actions is ("Action" in statement) and resources is ("Resource" in statement)


def _names(resource: str, target: str) -> bool:
    """Whether a pattern of ARNs matches a key, or a parameter of this account and region."""
    if target.startswith("/"):
        *start, resource = _PSEUDO_PARAMETER.sub("*", resource).split(":", 5)
        if not all(_matches(service, "ssm") for service in start[2:3]):
            return False
        target = f"parameter{target}"
    return _matches(resource, target)


def _matches(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _in_words(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict) or "Effect" not in entry:
        yield as_text(entry)
        return
    who, condition = entry.get("Principal"), entry.get("Condition")
    negated = "all except: " if "NotAction" in entry or "NotResource" in entry else ""
    for resource in _texts(entry, "Resource") or [""]:
        parts = [
            ", ".join(_texts(entry, "Action")),
            resource and f"on {resource}",
            f"by {as_text(who)}" if who else "",
            f"if {as_text(condition)}" if condition else "",
        ]
        yield negated + " ".join(filter(None, parts))


def _texts(statement: dict[str, Any], field: str) -> list[str]:
    """The actions or resources, or those that it excludes."""
    return sorted(map(as_text, _as_list(statement.get(field, statement.get(f"Not{field}", [])))))


def _as_list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def as_text(content: Any) -> str:
    match content:
        case list():
            return ", ".join(map(as_text, content))
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(as_text, parts))
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
    return shown(content)
