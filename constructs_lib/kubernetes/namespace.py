"""A namespace with its quota, limits and policies."""

from __future__ import annotations

from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import PROTECTED, RegistryCredentials
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.model import NotNegative, Parameter, Positive, Resources
from constructs_lib.model.checks import checked
from constructs_lib.model.names import check_object_name


@checked
@dataclass(frozen=True, kw_only=True)
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
    NetworkPolicy and image pull Secret.

    Argo CD neither prunes nor deletes the namespace.
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
            name: Name of the namespace.
            quota: Limit for the sum of all pods.
            container_defaults: Resources for containers that set none. All workloads of this
                library set them.
            registry_credentials: Parameter with the docker config.json for image pulls.
            readiness_gates: Whether pods behind an AWS load balancer become ready only after the
                load balancer reports them healthy. Default: no.
        """
        check_object_name(name)
        super().__init__(scope, name)
        chart = self.chart = Chart.of(scope)
        if chart.namespace != name:
            raise DeclarationError(
                f"is in a chart with namespace {chart.namespace!r}; use Chart(namespace={name!r})",
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
        """The default-deny NetworkPolicy."""
        self.registry_credentials = RegistryCredentials(self, registry_credentials)
        """The image pull Secret."""

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
