"""unknown and noise: changes without a known effect, and changes without an effect."""

from tests.ops.review.cases import API_OBJECTS, NEBULA, POD, Case, high, low, recreated
from tests.ops.review.cases.objects import create, reverse_objects, set_field
from tests.ops.review.edits import write

API_FILE, NEBULA_FILE = "cerebro/cerebro-api.k8s.yaml", "crawlers/nebula.k8s.yaml"

CASES = [
    # unknown
    Case(
        "add an object of an unknown kind",
        edit=create(API_FILE, "Gadget cerebro/x", "example.org/v1"),
        expects=[high("unknown", "Gadget cerebro/x")],
    ),
    Case(
        "set an unknown field",
        edit=set_field(NEBULA, f"{POD}.schedulingGates", []),
        expects=[
            high("unknown", NEBULA, "spec.template.spec.schedulingGates"),
            *recreated(NEBULA, "schedulingGates"),
        ],
    ),
    Case(
        "add an unknown annotation",
        edit=set_field(
            "Service cerebro/cerebro-api", "metadata.annotations", {"example.org/x": "y"}
        ),
        expects=[high("unknown", "Service cerebro/cerebro-api", "annotations[example.org/x]")],
    ),
    Case(
        "add an unknown label",
        edit=set_field("Namespace cerebro", "metadata.labels[example.org/x]", "y"),
        expects=[high("unknown", "Namespace cerebro", "labels[example.org/x]")],
    ),
    # noise
    Case(
        "reorder keys",
        edit=write(
            "cerebro/cerebro-api",
            (
                "  name: cerebro-api\n  namespace: cerebro\n",
                "  namespace: cerebro\n  name: cerebro-api\n",
            ),
        ),
        expects=[low("noise", name) for name in API_OBJECTS],
    ),
    Case(
        "add a comment",
        edit=write("cluster/aws-ssm", ("apiVersion: ", "# the store\napiVersion: ")),
        expects=[low("noise", "ClusterSecretStore aws-ssm")],
    ),
    Case(
        "add quotes",
        edit=write("crawlers/nebula", ("refreshInterval: 1h", "refreshInterval: '1h'")),
        expects=[low("noise", "ExternalSecret crawlers/nebula-secrets")],
    ),
    Case(
        "write a quantity in another unit",
        edit=write("cluster/namespace-cerebro", ("limits.memory: 16Gi", "limits.memory: 16384Mi")),
        expects=[low("noise", "ResourceQuota cerebro/quota")],
    ),
    Case(
        "reorder objects",
        edit=reverse_objects(NEBULA_FILE),
        expects=[low("noise", "File dist/crawlers/nebula.k8s.yaml")],
    ),
    Case(
        "add a file that is not a manifest",
        edit=lambda files: {**files, "NOTES.txt": "hello"},
        expects=[low("noise", "File dist/NOTES.txt", "Argo CD")],
    ),
    Case("change nothing"),
]
