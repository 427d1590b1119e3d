"""Checks the types of the fields that other modules read: mappings, lists, strings, integers.

It is not a full schema; the API server checks much more. It catches broken JSON patches, included
files and files in Git before other modules read them: a field that they read without checking its
type belongs in the table below.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from constructs_lib.manifests.objects import group, is_known
from constructs_lib.manifests.shape import (
    BOOLEAN,
    GLOB,
    LABELS,
    LISTENERS,
    NUMBER,
    PORT,
    QUANTITIES,
    SCHEDULE,
    SHARE,
    TEXT,
    TEXTS,
    Fields,
)
from constructs_lib.model import Manifest

_IDENTITY = Fields({"apiVersion! kind!": TEXT, "metadata!": {"name!": TEXT}})
_EVERY = Fields(
    {
        "apiVersion! kind!": TEXT,
        "metadata!": {
            "name!": TEXT,
            "namespace": TEXT,
            "labels annotations": LABELS,
            "finalizers": TEXTS,
        },
        "spec": {},
    }
)
_SELECTOR = {
    "matchLabels": LABELS,
    "matchExpressions": [{"key! operator!": TEXT, "values": TEXTS}],
}
_RESOURCES = {"requests limits": QUANTITIES}
_KEY = {"name!": TEXT, "key": TEXT, "optional": BOOLEAN}
_FILES = {"items": [{"key!": TEXT}]}
_PROBE = {
    "exec": {},
    "grpc httpGet tcpSocket": {"port": PORT},
    "failureThreshold initialDelaySeconds periodSeconds": NUMBER,
}
_SECURITY = {
    "appArmorProfile seLinuxOptions windowsOptions": {},
    "capabilities": {"add drop": TEXTS},
    "seccompProfile": {"type": TEXT},
    "sysctls": [{"name": TEXT}],
}
_CONTAINER = {
    "name!": TEXT,
    "image imagePullPolicy": TEXT,
    "args command": TEXTS,
    "env": [{"name!": TEXT, "value": TEXT, "valueFrom": {"configMapKeyRef secretKeyRef": _KEY}}],
    "envFrom": [{"configMapRef secretRef": _KEY}],
    "lifecycle": {"postStart preStop": {"exec": {"command": TEXTS}, "httpGet sleep tcpSocket": {}}},
    "livenessProbe readinessProbe startupProbe": _PROBE,
    "ports": [{"containerPort": NUMBER, "name protocol": TEXT}],
    "resources": _RESOURCES,
    "securityContext": _SECURITY,
    "volumeDevices": [{"name!": TEXT}],
    "volumeMounts": [{"mountPath! name!": TEXT}],
}
_SELECTED = {"labelSelector": _SELECTOR}
_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": [_SELECTED],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": _SELECTED}],
}
_POD = {
    "metadata": {"labels annotations": LABELS},
    "spec": {
        "affinity": {"podAffinity podAntiAffinity": _AFFINITY},
        "containers ephemeralContainers initContainers": [_CONTAINER],
        "hostAliases tolerations": [{}],
        "imagePullSecrets": [{"name!": TEXT}],
        "nodeName priorityClassName runtimeClassName serviceAccountName": TEXT,
        "nodeSelector": LABELS,
        "overhead": QUANTITIES,
        "resources": _RESOURCES,
        "securityContext": _SECURITY,
        "terminationGracePeriodSeconds": NUMBER,
        "topologySpreadConstraints": [_SELECTED],
        "volumes": [
            {
                "name!": TEXT,
                "configMap": {"name": TEXT, **_FILES},
                "emptyDir hostPath": {},
                "persistentVolumeClaim": {"claimName": TEXT},
                "projected": {"sources": [{"configMap secret": _FILES}]},
                "secret": {"secretName!": TEXT, **_FILES},
            }
        ],
    },
}
_STRATEGY = {"type": TEXT, "rollingUpdate": {"maxSurge maxUnavailable": SHARE}}
_CLAIM = {"accessModes": TEXTS, "resources": _RESOURCES, "storageClassName": TEXT}
_SERVING = {
    "spec!": {
        "progressDeadlineSeconds replicas": NUMBER,
        "selector": _SELECTOR,
        "strategy updateStrategy": _STRATEGY,
        "template!": _POD,
        "volumeClaimTemplates": [{"metadata": {}, "spec": _CLAIM}],
    }
}
_ROLE = {"rules": [{"apiGroups nonResourceURLs resourceNames resources verbs": TEXTS}]}
_NAMED = {"kind name namespace": TEXT}
_BINDING = {"roleRef": _NAMED, "subjects": [_NAMED]}
_KINDS_OF_PROJECT = [{"group! kind!": TEXT}]
_SOURCE = {"path repoURL": TEXT, "directory": {"exclude include": GLOB}}
_BACKEND = {"service": {"name!": TEXT, "port": {}}}
_PATH = {"path pathType": TEXT, "backend!": _BACKEND}
_PEERS = [
    {
        "ipBlock": {"cidr!": TEXT, "except": TEXTS},
        "namespaceSelector podSelector": _SELECTOR,
    }
]
_POLICY_PORTS = [{"endPort": NUMBER, "port": PORT, "protocol": TEXT}]
_KINDS: dict[str, dict[str, Any]] = {
    "AppProject": {
        "spec": {
            "sourceRepos": TEXTS,
            "destinations": [{"namespace server": TEXT}],
            "clusterResourceWhitelist namespaceResourceWhitelist": _KINDS_OF_PROJECT,
        }
    },
    "Application": {
        "spec": {
            "destination": {},
            "project": TEXT,
            "source": _SOURCE,
            "sources": [_SOURCE],
            "syncPolicy": {"automated": {}},
        }
    },
    "ClusterRole Role": _ROLE,
    "ClusterRoleBinding RoleBinding": _BINDING,
    "ClusterSecretStore": {
        "spec": {"conditions": [{"namespaces": TEXTS}], "provider": {"aws": {"auth": {}}}}
    },
    "ConfigMap": {"binaryData data": LABELS},
    "CronJob": {
        "spec!": {
            "schedule!": SCHEDULE,
            "concurrencyPolicy timeZone": TEXT,
            "jobTemplate!": {"spec!": {"template!": _POD}},
        }
    },
    "CustomResourceDefinition": {
        "spec": {"group": TEXT, "names": {"kind": TEXT}, "versions": [{"name!": TEXT}]}
    },
    "DaemonSet Deployment ReplicaSet StatefulSet": _SERVING,
    "ExternalSecret": {
        "spec": {
            "data": [{"secretKey!": TEXT, "remoteRef": {"key": TEXT}}],
            "dataFrom": [{"extract": {"key": TEXT}}],
            "secretStoreRef": {"kind name": TEXT},
            "target": {"creationPolicy name": TEXT, "template": {"data": {}}},
        }
    },
    "HorizontalPodAutoscaler": {
        "spec": {
            "maxReplicas!": NUMBER,
            "minReplicas": NUMBER,
            "scaleTargetRef": {"kind name": TEXT},
        }
    },
    "Ingress": {
        "metadata": {"annotations": {"alb.ingress.kubernetes.io/listen-ports": LISTENERS}},
        "spec": {
            "defaultBackend": _BACKEND,
            "ingressClassName": TEXT,
            "rules": [{"host": TEXT, "http": {"paths!": [_PATH]}}],
            "tls": [{"hosts": TEXTS, "secretName": TEXT}],
        },
    },
    "Job": {"spec!": {"template!": _POD}},
    "LimitRange": {"spec": {"limits": [{"default defaultRequest max min": QUANTITIES}]}},
    "NetworkPolicy": {
        "spec!": {
            "egress": [{"ports": _POLICY_PORTS, "to": _PEERS}],
            "ingress": [{"from": _PEERS, "ports": _POLICY_PORTS}],
            "podSelector": _SELECTOR,
            "policyTypes": TEXTS,
        }
    },
    "PersistentVolumeClaim": {"spec": _CLAIM},
    "Pod": _POD,
    "PodDisruptionBudget": {"spec": {"selector": _SELECTOR, "maxUnavailable minAvailable": SHARE}},
    "ReplicationController Rollout": {"spec": {"replicas": NUMBER, "template": _POD}},
    "ResourceQuota": {"spec!": {"hard": QUANTITIES}},
    "Secret": {"data stringData": LABELS},
    "Service": {
        "spec": {
            "ports": [{"port!": NUMBER, "targetPort": PORT, "name protocol": TEXT}],
            "selector": LABELS,
            "type": TEXT,
        }
    },
}
"""The fields that are read, by kind."""


def is_identified(manifest: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    return not _IDENTITY.problems(manifest, values=False)


def malformed(manifest: Manifest) -> Iterator[str]:
    """A message for each field that is missing or of the wrong type: `spec is not a mapping`.

    Null counts as missing. It is never rendered: cdk8s and `merge` remove such a field.
    """
    return _problems(manifest, values=False)


def unreadable(manifest: Any) -> str | None:
    """The first problem of an object, if any. Values that cannot be parsed count as well."""
    return next(_problems(manifest, values=True), None)


def _problems(manifest: Any, *, values: bool) -> Iterator[str]:
    found = _EVERY.problems(manifest, values=values)
    if (not found or is_identified(manifest)) and is_known(group(manifest), manifest["kind"]):
        of_kind = _fields_of(manifest["kind"]).problems(manifest, values=values)
        found = [*found, *of_kind]
    for problem in dict.fromkeys(found):
        yield problem.removeprefix(".") if problem.startswith(".") else f"it{problem}"


@cache
def _fields_of(kind: str) -> Fields:
    return Fields(next((fields for kinds, fields in _KINDS.items() if kind in kinds.split()), {}))
