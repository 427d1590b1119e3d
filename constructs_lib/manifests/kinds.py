"""Kubernetes kinds as plain data: which have no namespace, which give power, which make pods."""

from __future__ import annotations

from collections.abc import Mapping

from constructs_lib.model import Manifest

Kind = tuple[str, str]
"""An API group, empty for the core one, and the name of a kind in it: `("apps", "Deployment")`."""

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
    # the AWS Load Balancer Controller and the Gateway API, which it serves
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
    # Karpenter, and both as EKS Auto Mode has them
    "karpenter.k8s.aws": ("EC2NodeClass",),
    "karpenter.sh": ("NodeClaim", "NodeOverlay", "NodePool"),
    "eks.amazonaws.com": ("IngressClassParams", "NodeClass"),
}

CLUSTER_SCOPED: frozenset[Kind] = frozenset(
    (group, kind) for group, kinds in _CLUSTER_SCOPED_BY_GROUP.items() for kind in kinds
)
"""Every kind without a namespace: those of Kubernetes 1.27 to 1.37, and of the usual add-ons."""

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
"""By kind that makes pods, the path to what holds the pod's `spec`; a Pod holds it itself."""


def group(manifest: Manifest) -> str:
    """The API group of an object: `apps`, or empty for the core group."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[0]


def is_cluster_scoped(manifest: Manifest) -> bool:
    """Whether an object has no namespace. A kind that this module does not know has one."""
    return (group(manifest), manifest.get("kind", "")) in CLUSTER_SCOPED


def gives_power(group: str, kind: str) -> bool:
    """Whether an object of this kind gives power over the cluster, or over other namespaces.

    A ServiceAccount does not: only a binding gives it rights.
    """
    one = (group, kind)
    return group in _POWERFUL_GROUPS or one in CLUSTER_SCOPED or one in _POWERFUL
