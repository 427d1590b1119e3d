"""Check that an object has the types that the rules rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cronsim import CronSimError

from constructs_lib.model.quantity import amount
from constructs_lib.model.schedule import words

Shape = Any
"""A type; a dict of fields and their shapes, where `!` marks required fields; `[shape of every
item]`; `Each`; or a function that raises ValueError."""


@dataclass(frozen=True)
class Each:
    """A mapping from any names to values of one shape."""

    value: Shape


_NULL_ITEM = object()
"""Replaces a null item of a list, which matches no shape."""


def misshapen(manifest: Any) -> str | None:
    """What is wrong with an object, if anything: `spec.replicas is not an integer`."""
    found = next(_problems(manifest, _OBJECT, ""), None)
    if found or not isinstance(manifest, dict):
        return found
    return next(_problems(manifest, _KINDS.get(manifest["kind"], _ANY), ""), None)


def _problems(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if value is None:  # a missing field
        return
    wanted = {dict: dict, Each: dict, list: list}.get(type(shape), shape)
    if isinstance(wanted, type) and not isinstance(value, wanted):
        yield f"{path or 'it'} is not {_TYPE_NAMES[wanted]}"
    elif isinstance(shape, dict):
        yield from _of_fields(value, shape, path)
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            yield from _problems(_NULL_ITEM if item is None else item, shape[0], f"{path}[{index}]")
    elif isinstance(shape, Each):
        for name, item in value.items():
            yield from _problems(item, shape.value, f"{path}[{name}]")
    elif not isinstance(shape, type):
        try:
            shape(value)
        except ValueError as error:
            yield f"{path} {error}"


def _of_fields(value: dict[str, Any], shape: dict[str, Shape], path: str) -> Iterator[str]:
    for field, inner in shape.items():
        name = field.removesuffix("!")
        below = f"{path}.{name}".removeprefix(".")
        if field != name and value.get(name) in (None, ""):
            yield f"{below} is missing"
        yield from _problems(value.get(name), inner, below)


_MAX_QUANTITY_LENGTH = 40
_SHARE = re.compile(r"[0-9]{1,9}%?")
_BRACES = re.compile(r"\{[^{}]*\}")
_TYPE_NAMES = {dict: "a mapping", list: "a list", str: "a string", bool: "a boolean"}


def _whole(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("is not an integer")


def _quantity(value: Any) -> None:
    try:
        amount(value)
    except ValueError as error:
        raise ValueError("is not a valid quantity") from error
    if len(str(value)) > _MAX_QUANTITY_LENGTH:
        raise ValueError(f"is a quantity of {len(str(value))} characters, too long for 64 bits")


def _schedule(value: Any) -> None:
    try:
        words(str(value))
    except (CronSimError, ValueError) as error:
        raise ValueError("is not a cron schedule of five fields") from error


def _share(value: Any) -> None:
    if not _SHARE.fullmatch(str(value)):
        raise ValueError("is not a number or percentage")


def _glob(value: Any) -> None:
    """A pattern of Argo CD, with alternatives in braces."""
    if not isinstance(value, str):
        raise ValueError("is not a string")  # noqa: TRY004 as every shape does
    rest = value
    while rest != (rest := _BRACES.sub("", rest)):
        pass
    if {"{", "}"} & {*rest}:
        raise ValueError("has unbalanced braces")


def _listeners(value: Any) -> None:
    listeners = json.loads(value)
    if not isinstance(listeners, list) or not all(isinstance(each, dict) for each in listeners):
        raise ValueError('is not a list of listeners like [{"HTTPS":443}]')


_ANY: Shape = {}
_TEXTS = Each(str)
_QUANTITIES = Each(_quantity)
_OBJECT = {
    "apiVersion!": str,
    "kind!": str,
    "metadata!": {
        "name!": str,
        "namespace": str,
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "finalizers": [str],
    },
    "spec": dict,
}
_SELECTOR = {
    "matchLabels": _TEXTS,
    "matchExpressions": [{"key!": str, "operator!": str, "values": [str]}],
}
_KEY = {"name!": str, "key": str, "optional": bool}
_CONTAINER = {
    "name!": str,
    "image": str,
    "args": [str],
    "command": [str],
    "env": [{"name!": str, "valueFrom": {"secretKeyRef": _KEY}}],
    "envFrom": [{"secretRef": _KEY}],
    "ports": [dict],
    "resources": {"requests": _QUANTITIES, "limits": _QUANTITIES},
    "securityContext": {
        "capabilities": {"add": [str], "drop": [str]},
        "seccompProfile": {"type": str},
    },
}
_TEMPLATE = {
    "metadata": {"labels": _TEXTS, "annotations": _TEXTS},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "imagePullSecrets": [{"name!": str}],
        "securityContext": {"seccompProfile": {"type": str}},
        "volumes": [
            {
                "name!": str,
                "hostPath": dict,
                "secret": {"secretName!": str, "items": [{"key!": str}]},
            }
        ],
    },
}
_ROLLING = {"type": str, "rollingUpdate": {"maxSurge": _share, "maxUnavailable": _share}}
_SERVING = {
    "spec!": {
        "replicas": _whole,
        "selector": _SELECTOR,
        "strategy": _ROLLING,
        "updateStrategy": _ROLLING,
        "template!": _TEMPLATE,
    }
}
_ROLE = {
    "rules": [
        {"apiGroups": [str], "verbs": [str], "resources": [str], "resourceNames": [str]}
        | {"nonResourceURLs": [str]}
    ]
}
_BINDING = {"subjects": [dict], "roleRef": dict}
_STORE = {"spec": {"conditions": [{"namespaces": [str]}], "provider": dict}}
_PEERS = [
    {
        "ipBlock": {"cidr!": str, "except": [str]},
        "podSelector": _SELECTOR,
        "namespaceSelector": _SELECTOR,
    }
]
_SOURCE = {"path": str, "directory": {"include": _glob, "exclude": _glob}}
_KINDS: dict[str, Shape] = {
    "AppProject": {
        "spec": {
            "sourceRepos": [str],
            "destinations": [dict],
            "clusterResourceWhitelist": [dict],
            "namespaceResourceWhitelist": [dict],
        }
    },
    "Application": {
        "spec": {
            "source": _SOURCE,
            "sources": [_SOURCE],
            "syncPolicy": {"automated": dict},
        }
    },
    "ClusterRole": _ROLE,
    "ClusterRoleBinding": _BINDING,
    "ClusterSecretStore": _STORE,
    "CronJob": {
        "spec!": {"schedule!": _schedule, "timeZone": str, "concurrencyPolicy": str}
        | {"jobTemplate!": {"spec!": {"template!": _TEMPLATE}}}
    },
    "CustomResourceDefinition": {
        "spec": {"group": str, "names": {"kind": str}, "versions": [{"name!": str}]}
    },
    "DaemonSet": _SERVING,
    "Deployment": _SERVING,
    "ExternalSecret": {
        "spec": {
            "data": [{"secretKey!": str, "remoteRef": dict}],
            "dataFrom": [dict],
            "target": {"name": str, "creationPolicy": str, "template": {"data": dict}},
        }
    },
    "Ingress": {
        "metadata": {"annotations": {"alb.ingress.kubernetes.io/listen-ports": _listeners}},
        "spec": {
            "ingressClassName": str,
            "rules": [
                {
                    "host": str,
                    "http": {
                        "paths!": [
                            {
                                "path!": str,
                                "pathType": str,
                                "backend!": {"service": {"name!": str, "port": dict}},
                            }
                        ]
                    },
                }
            ],
        },
    },
    "Job": {"spec!": {"template!": _TEMPLATE}},
    "LimitRange": {"spec": {"limits": [{"default": _QUANTITIES, "defaultRequest": _QUANTITIES}]}},
    "NetworkPolicy": {
        "spec": {
            "podSelector": _SELECTOR,
            "policyTypes": [str],
            "ingress": [{"from": _PEERS, "ports": [dict]}],
            "egress": [{"to": _PEERS, "ports": [dict]}],
        }
    },
    "PersistentVolumeClaim": {"spec": {"resources": {"requests": _QUANTITIES}}},
    "PodDisruptionBudget": {
        "spec": {"selector": _SELECTOR, "maxUnavailable": _share, "minAvailable": _share}
    },
    "ResourceQuota": {"spec!": {"hard!": _QUANTITIES}},
    "Role": _ROLE,
    "RoleBinding": _BINDING,
    "Secret": {"data": dict, "stringData": dict},
    "Service": {"spec": {"type": str, "selector": _TEXTS, "ports": [{"port!": _whole}]}},
    "StatefulSet": _SERVING,
}
"""The fields that the rules read, by kind."""
