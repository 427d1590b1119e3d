"""Which forms the cluster serves. The defaults are the deployment page's; change one to switch."""

from constructs_lib.model import ClusterTarget

TARGET = ClusterTarget(
    external_secrets="v1beta1",
    ingress_class="annotation",
)
