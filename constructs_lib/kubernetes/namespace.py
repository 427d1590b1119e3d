"""A namespace and the limits that hold in it."""

from __future__ import annotations

from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import PROTECTED, RegistryCredentials
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.model import NotNegative, Parameter, Positive, Resources
from constructs_lib.names import check_object_name


@checked
@dataclass(frozen=True, kw_only=True)
class Quota:
    """The most that all pods of a namespace may ask for together."""

    resources: Resources
    """Sums of requests and of limits."""
    pods: Positive
    """How many pods; one that is ending counts until it is gone, one that has finished does not."""
    volume_claims: NotNegative = 0
    """How many PersistentVolumeClaims."""

    def hard(self) -> dict[str, str]:
        """The quota's `spec.hard`."""
        sums = {
            f"{bound}.{name}": pair[place]
            for name, pair in self.resources.pairs().items()
            for place, bound in enumerate(("requests", "limits"))
        }
        return {
            **sums,
            "pods": str(self.pods),
            "persistentvolumeclaims": str(self.volume_claims),
        }


@checked
class Namespace(Construct):
    """A namespace with Pod Security `restricted`, ResourceQuota, LimitRange, default-deny
    NetworkPolicy and the credentials that pull its images.

    The namespace itself is protected: Argo CD neither prunes nor deletes it.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        quota: Quota,
        container_defaults: Resources,
        registry_credentials: Parameter,
        readiness_gates: bool = False,
    ) -> None:
        """Declare the namespace and its limits.

        Args:
            scope: A chart of this namespace.
            name: Of the namespace.
            quota: What all pods together may ask for.
            container_defaults: What a container gets that states no resources, which none of this
                library does.
            registry_credentials: The docker config.json that pulls the images.
            readiness_gates: Whether a pod behind an AWS load balancer is ready only once that
                sends to it.
        """
        check_object_name(name)
        super().__init__(scope, name)
        chart = self.chart = Chart.of(scope)
        if chart.namespace != name:
            raise DeclarationError(
                f"is in a chart of namespace {chart.namespace!r}; make it "
                f"Chart(namespace={name!r})",
                where=self.node.path,
            )
        version = chart.platform.target.pod_security
        profile = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (("", "restricted"), ("-version", version))
        }
        gates = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"} if readiness_gates else {}
        self.namespace = chart.add(
            self,
            k8s.KubeNamespaceProps(
                metadata=chart.metadata(
                    name, labels={**profile, **gates}, annotations=PROTECTED, namespaced=False
                )
            ),
        )
        """The Namespace."""
        self.resource_quota = self._add_quota(quota)
        """The ResourceQuota."""
        self.limit_range = self._add_limit_range(container_defaults)
        """The LimitRange."""
        self.network_policy = chart.add(
            self,
            k8s.KubeNetworkPolicyProps(
                metadata=chart.metadata("default-deny"), spec=network.deny_all()
            ),
        )
        """The NetworkPolicy that denies by default."""
        self.registry_credentials = RegistryCredentials(self, registry_credentials)
        """What pulls the images."""

    def _add_quota(self, quota: Quota) -> KubeObject:
        hard = {name: quantity(limit) for name, limit in quota.hard().items()}
        return self.chart.add(
            self,
            k8s.KubeResourceQuotaProps(
                metadata=self.chart.metadata("quota"),
                spec=k8s.ResourceQuotaSpec(hard=hard),
            ),
        )

    def _add_limit_range(self, defaults: Resources) -> KubeObject:
        pairs = defaults.pairs().items()
        return self.chart.add(
            self,
            k8s.KubeLimitRangeProps(
                metadata=self.chart.metadata("defaults"),
                spec=k8s.LimitRangeSpec(
                    limits=[
                        k8s.LimitRangeItem(
                            type="Container",
                            default_request={name: quantity(pair[0]) for name, pair in pairs},
                            default={name: quantity(pair[1]) for name, pair in pairs},
                        )
                    ]
                ),
            ),
        )
