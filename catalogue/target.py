"""API versions of the cluster. The values are those of the deployment page."""

from constructs_lib.model import ClusterTarget

TARGET = ClusterTarget(
    kubernetes="1.27",
    external_secrets="v1beta1",
    ingress_class="annotation",
)
