"""Properties of Kubernetes kinds: cluster-scoped, privileged, with a pod template."""

from __future__ import annotations

from collections.abc import Mapping

from constructs_lib.model import Manifest

Kind = tuple[str, str]
"""API group (empty for the core group) and kind: `("apps", "Deployment")`."""

_CLUSTER_SCOPED_BY_GROUP = {
    "": ("ComponentStatus", "Namespace", "Node", "PersistentVolume"),
    "admissionregistration.k8s.io": (
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ),
    "apiextensions.k8s.io": ("CustomResourceDefinition",),
    "apiregistration.k8s.io": ("APIService",),
    "authentication.k8s.io": ("SelfSubjectReview", "TokenReview"),
    "authorization.k8s.io": (
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    ),
    "certificates.k8s.io": ("CertificateSigningRequest", "ClusterTrustBundle"),
    "flowcontrol.apiserver.k8s.io": ("FlowSchema", "PriorityLevelConfiguration"),
    "internal.apiserver.k8s.io": ("StorageVersion",),
    "networking.k8s.io": ("ClusterCIDR", "IPAddress", "IngressClass", "ServiceCIDR"),
    "node.k8s.io": ("RuntimeClass",),
    "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding"),
    "resource.k8s.io": (
        "DeviceClass",
        "DeviceTaintRule",
        "ResourceClass",
        "ResourcePoolStatusRequest",
        "ResourceSlice",
    ),
    "scheduling.k8s.io": ("PriorityClass",),
    "storage.k8s.io": (
        "CSIDriver",
        "CSINode",
        "StorageClass",
        "VolumeAttachment",
        "VolumeAttributesClass",
    ),
    "storagemigration.k8s.io": ("StorageVersionMigration",),
    # cert-manager
    "cert-manager.io": ("ClusterIssuer",),
    # AWS Load Balancer Controller, and the Gateway API, which it implements
    "elbv2.k8s.aws": ("IngressClassParams",),
    "gateway.networking.k8s.io": ("GatewayClass",),
    # External Secrets
    "external-secrets.io": (
        "ClusterExternalSecret",
        "ClusterProviderClass",
        "ClusterPushSecret",
        "ClusterSecretStore",
    ),
    "generators.external-secrets.io": ("ClusterGenerator",),
    # Karpenter, and the equivalents of both in EKS Auto Mode
    "karpenter.k8s.aws": ("EC2NodeClass",),
    "karpenter.sh": ("NodeClaim", "NodeOverlay", "NodePool"),
    "eks.amazonaws.com": ("IngressClassParams", "NodeClass"),
}

CLUSTER_SCOPED: frozenset[Kind] = frozenset(
    (group, kind) for group, kinds in _CLUSTER_SCOPED_BY_GROUP.items() for kind in kinds
)
"""All cluster-scoped kinds of Kubernetes 1.27 to 1.37 and of common add-ons."""

_POWERFUL_GROUPS = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "certificates.k8s.io",
        "rbac.authorization.k8s.io",
    }
)
_POWERFUL: frozenset[Kind] = frozenset(
    ("argoproj.io", kind) for kind in ("AppProject", "Application", "ApplicationSet")
)

_TEMPLATE = ("spec", "template")

POD_TEMPLATES: Mapping[Kind, tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("argoproj.io", "Rollout"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
    ("batch", "Job"): _TEMPLATE,
}
"""The path to the pod template, by kind. A Pod is its own template."""


def group(manifest: Manifest) -> str:
    """The API group of an object: `apps`, or empty for the core group."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[0]


def is_cluster_scoped(manifest: Manifest) -> bool:
    """Whether an object is cluster-scoped. Unknown kinds are considered namespaced."""
    return (group(manifest), manifest.get("kind", "")) in CLUSTER_SCOPED


def gives_power(group: str, kind: str) -> bool:
    """Whether a kind is privileged: it can affect the cluster or other namespaces.

    A ServiceAccount is not, because only a binding grants it permissions.
    """
    one = (group, kind)
    return group in _POWERFUL_GROUPS or one in CLUSTER_SCOPED or one in _POWERFUL
