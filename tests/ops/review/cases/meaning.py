"""unknown and noise: changes without a known effect, and changes without an effect."""

from tests.ops.review.cases import API_OBJECTS, NEBULA, POD, case, high, low, recreated
from tests.ops.review.cases.objects import create, reverse_objects, set_field
from tests.ops.review.edits import unchanged, write

API_FILE, NEBULA_FILE = "cerebro/cerebro-api.k8s.yaml", "crawlers/nebula.k8s.yaml"

CASES = [
    # unknown
    case("add an object of an unknown kind", create(API_FILE, "Gadget cerebro/x", "example.org/v1"),
         high("unknown", "Gadget cerebro/x")),
    case("set an unknown field", set_field(NEBULA, f"{POD}.schedulingGates", []),
         high("unknown", NEBULA, "spec.template.spec.schedulingGates"),
         *recreated(NEBULA, "schedulingGates")),
    case("add an unknown annotation",
         set_field("Service cerebro/cerebro-api", "metadata.annotations", {"example.org/x": "y"}),
         high("unknown", "Service cerebro/cerebro-api", "annotations[example.org/x]")),
    case("add an unknown label",
         set_field("Namespace cerebro", "metadata.labels[example.org/x]", "y"),
         high("unknown", "Namespace cerebro", "labels[example.org/x]")),
    # noise
    case("reorder keys",
         write("cerebro/cerebro-api",
               (
                   "  name: cerebro-api\n  namespace: cerebro\n",
                   "  namespace: cerebro\n  name: cerebro-api\n",
               )),
         *[low("noise", name) for name in API_OBJECTS]),
    case("add a comment", write("cluster/aws-ssm", ("apiVersion: ", "# the store\napiVersion: ")),
         low("noise", "ClusterSecretStore aws-ssm")),
    case("add quotes", write("crawlers/nebula", ("refreshInterval: 1h", "refreshInterval: '1h'")),
         low("noise", "ExternalSecret crawlers/nebula-secrets")),
    case("write a quantity in another unit",
         write("cluster/namespace-cerebro", ("limits.memory: 16Gi", "limits.memory: 16384Mi")),
         low("noise", "ResourceQuota cerebro/quota")),
    case("reorder objects", reverse_objects(NEBULA_FILE),
         low("noise", "File dist/crawlers/nebula.k8s.yaml")),
    case("add a file that is not a manifest", lambda files: {**files, "NOTES.txt": "hello"},
         low("noise", "File dist/NOTES.txt", "Argo CD")),
    case("change nothing", unchanged),
]  # fmt: skip
