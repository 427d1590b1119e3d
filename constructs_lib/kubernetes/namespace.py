"""A namespace with its quota, limits and policies."""

from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import ChartConstruct
from constructs_lib.kubernetes.external_secret import PROTECTED, RegistryCredentials
from constructs_lib.model import NotNegative, Parameter, Positive, Resources
from constructs_lib.model.checks import checked, props
from constructs_lib.model.names import ObjectName


@props
class Quota:
    """The ResourceQuota of a namespace."""

    resources: Resources
    """Maximum sums of requests and limits."""
    pods: Positive
    """Maximum number of pods. Terminating pods count, completed pods do not."""
    volume_claims: NotNegative = 0
    """Maximum number of PersistentVolumeClaims."""

    def hard(self) -> dict[str, str]:
        """The `spec.hard` of the ResourceQuota."""
        return {
            **{f"requests.{name}": amount for name, amount in self.resources.requests.items()},
            **{f"limits.{name}": amount for name, amount in self.resources.limits.items()},
            "pods": str(self.pods),
            "persistentvolumeclaims": str(self.volume_claims),
        }


@checked
class Namespace(ChartConstruct):
    """A namespace with Pod Security `restricted`, ResourceQuota, LimitRange, default-deny
    NetworkPolicy and image pull Secret.

    Argo CD neither prunes nor deletes the namespace.
    """

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        quota: Quota,
        container_defaults: Resources,
        registry_credentials: Parameter,
        readiness_gates: bool = False,
    ) -> None:
        """Declare the namespace and its limits.

        Args:
            scope: A chart of this namespace.
            name: Name of the namespace.
            quota: Limit for the sum of all pods.
            container_defaults: Resources for containers that set none. All workloads of this
                library set them.
            registry_credentials: Parameter with the docker config.json for image pulls.
            readiness_gates: Whether pods behind an AWS load balancer become ready only after the
                load balancer reports them healthy. Default: no.
        """
        super().__init__(scope, name)
        if self.chart.namespace != name:
            raise DeclarationError(
                f"is in a chart with namespace {self.chart.namespace!r}; "
                f"use Chart(namespace={name!r})"
            )
        version = self.platform.target.pod_security
        labels = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (("", "restricted"), ("-version", version))
        }
        if readiness_gates:
            labels["elbv2.k8s.aws/pod-readiness-gate-inject"] = "enabled"
        self.namespace = self.add("v1", "Namespace", labels=labels, annotations=PROTECTED)
        self.resource_quota = self.add("v1", "ResourceQuota", {"hard": quota.hard()}, name="quota")
        limits = {
            "type": "Container",
            "defaultRequest": container_defaults.requests,
            "default": container_defaults.limits,
        }
        self.limit_range = self.add("v1", "LimitRange", {"limits": [limits]}, name="defaults")
        self.network_policy = self.add(
            "networking.k8s.io/v1", "NetworkPolicy", network.DENY_ALL, name="default-deny"
        )
        """The default-deny NetworkPolicy."""
        self.registry_credentials = RegistryCredentials(self, registry_credentials)
        """The image pull Secret."""
