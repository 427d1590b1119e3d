"""A namespace and the limits that hold in it."""

from __future__ import annotations

from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import PROTECTED, RegistryCredentials
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.model import Parameter, Resources


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The most that all pods of a namespace may ask for together."""

    resources: Resources
    """Sums of requests and of limits."""
    pods: int
    """How many pods; one that is ending counts until it is gone, one that has finished does not."""
    volume_claims: int = 0
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
        """Declare it.

        `container_defaults` holds for a container that states no resources, which none of this
        library does. `readiness_gates` (default: off) makes a pod ready only once the AWS load
        balancer sends to it.
        """
        super().__init__(scope, name)
        chart = self.chart = Chart.above(scope)
        if chart.home != name:
            raise DeclarationError(
                f"stands in a chart of namespace {chart.home!r}", where=self.node.path
            )
        version = chart.platform.target.pod_security
        profile = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (("", "restricted"), ("-version", version))
        }
        gates = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"} if readiness_gates else {}
        chart.add(
            k8s.KubeNamespaceProps(
                metadata=chart.metadata(
                    name, labels={**profile, **gates}, annotations=PROTECTED, namespaced=False
                )
            )
        )
        self._add_quota(quota)
        self._add_limit_range(container_defaults)
        network.deny_all(chart)
        RegistryCredentials(self, registry_credentials)

    def _add_quota(self, quota: Quota) -> None:
        hard = {name: quantity(limit) for name, limit in quota.hard().items()}
        self.chart.add(
            k8s.KubeResourceQuotaProps(
                metadata=self.chart.metadata("quota"),
                spec=k8s.ResourceQuotaSpec(hard=hard),
            )
        )

    def _add_limit_range(self, defaults: Resources) -> None:
        pairs = defaults.pairs().items()
        self.chart.add(
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
            )
        )
