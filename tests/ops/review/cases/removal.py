"""delete, replace and create: objects that are removed, recreated or new."""

from tests.ops.review.cases import (
    API,
    BUDGET,
    CLAIM,
    CONTAINER,
    EMBER,
    JOBS,
    MIGRATIONS,
    NEBULA,
    NEBULA_SECRETS,
    Case,
    high,
    low,
    medium,
)
from tests.ops.review.cases.objects import create, delete, remove_field, set_field
from tests.ops.review.edits import drop, together, without

API_FILE, MCP_FILE = "cerebro/cerebro-api.k8s.yaml", "cerebro/cerebro-mcp.k8s.yaml"
NEBULA_APPLICATION = "Application argocd/nebula"
WITHOUT_NEBULA = without("Nebula", "nebula")
NO_HOOK = remove_field(MIGRATIONS, "metadata.annotations")

CASES = [
    # delete
    Case(
        "delete a volume claim",
        edit=delete(CLAIM),
        expects=[
            high("delete", CLAIM, "volume"),
            high("downtime", "Deployment crawlers/ip-crawler", "[dangling-pod-reference]"),
            low("capacity", "Namespace crawlers", "persistentvolumeclaims 1 → 0 (quota 2)"),
        ],
    ),
    Case(
        "delete a disruption budget",
        edit=delete(BUDGET),
        expects=[medium("delete", BUDGET)],
    ),
    Case(
        "delete a protected namespace",
        edit=delete("Namespace cerebro"),
        expects=[low("delete", "Namespace cerebro", "Prune=false")],
    ),
    Case(
        "delete all jobs of click-runner",
        edit=delete(*JOBS),
        expects=[
            *(medium("delete", job) for job in JOBS),
            low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.05 (quota 6)"),
        ],
    ),
    Case(
        "remove a service",
        edit=WITHOUT_NEBULA,
        expects=[
            high("delete", NEBULA_APPLICATION, "4 objects"),
            high("delete", NEBULA, "1 pod"),
            high("delete", NEBULA_SECRETS, "Secret nebula-secrets"),
            medium("delete", "ServiceAccount crawlers/nebula", NEBULA_APPLICATION),
            medium("delete", "NetworkPolicy crawlers/nebula", NEBULA_APPLICATION),
            low("secret", NEBULA_SECRETS, "/cerebro/clickhouse/host as NEBULA_DATABASE_HOST"),
            low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.4 (quota 6)"),
        ],
    ),
    Case(
        "delete a file, but not its Application",
        edit=drop("crawlers/nebula"),
        expects=[
            medium("delete", NEBULA, NEBULA_APPLICATION),
            medium("delete", NEBULA_SECRETS, NEBULA_APPLICATION),
            medium("delete", "ServiceAccount crawlers/nebula", NEBULA_APPLICATION),
            medium("delete", "NetworkPolicy crawlers/nebula", NEBULA_APPLICATION),
            low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.4 (quota 6)"),
        ],
    ),
    Case(
        "remove the protection of a namespace",
        edit=remove_field("Namespace cerebro", "metadata.annotations"),
        expects=[high("delete", "Namespace cerebro", "[prunable-shared-object]")],
    ),
    # replace
    Case(
        "change the selector of a Deployment",
        edit=set_field(API, "spec.selector.matchLabels.app", "api"),
        expects=[high("replace", API, "spec.selector")],
    ),
    Case(
        "change the pod labels that a selector matches",
        edit=set_field(API, "spec.template.metadata.labels.app", "api"),
        expects=[
            high("replace", API, "spec.selector"),
            high("downtime", "Service cerebro/cerebro-api", "[dangling-service]"),
            high("downtime", API, "[blocked-dns]"),
            high("downtime", API, "[blocked-dns]"),
            medium("exposure", API, "TCP 8000"),
            medium("exposure", API, "0.0.0.0/0 except 6 ranges"),
            low("restart", API, "metadata.labels.app"),
        ],
    ),
    Case(
        "change a Job that is not a hook",
        base=NO_HOOK,
        edit=together(NO_HOOK, set_field(MIGRATIONS, f"{CONTAINER}.args", ["migrate"])),
        expects=[high("replace", MIGRATIONS, "spec.template")],
    ),
    Case(
        "shrink a volume",
        edit=set_field(CLAIM, "spec.resources.requests.storage", "512Mi"),
        expects=[high("replace", CLAIM, "volume")],
    ),
    Case(
        "make a Service headless",
        edit=set_field("Service cerebro/cerebro-api", "spec.clusterIP", "None"),
        expects=[high("replace", "Service cerebro/cerebro-api", "spec.clusterIP")],
    ),
    Case(
        "move an object to another Application",
        edit=together(
            delete(BUDGET), create(MCP_FILE, BUDGET, "policy/v1", spec={"maxUnavailable": 1})
        ),
        expects=[
            high("replace", BUDGET, "cerebro-mcp"),
            low("update", BUDGET, "metadata.labels.app cerebro-api → (none)"),
            low("update", BUDGET, "spec.selector.matchLabels.app cerebro-api → (none)"),
        ],
    ),
    # create
    Case(
        "add a service",
        base=WITHOUT_NEBULA,
        expects=[
            high("privilege", NEBULA_APPLICATION, "sync dist/crawlers/nebula.k8s.yaml of https://"),
            low("create", NEBULA_APPLICATION),
            low("create", NEBULA, "1 pod"),
            low("create", "ServiceAccount crawlers/nebula"),
            low("create", "NetworkPolicy crawlers/nebula"),
            low("create", NEBULA_SECRETS),
            medium("secret", NEBULA_SECRETS, "/cerebro/clickhouse/host as NEBULA_DATABASE_HOST"),
            low("capacity", "Namespace crawlers", "requests.cpu 3.4 → 3.65 (quota 6)"),
        ],
    ),
    Case(
        "add a ConfigMap",
        edit=create(API_FILE, "ConfigMap cerebro/settings", "v1", data={}),
        expects=[low("create", "ConfigMap cerebro/settings")],
    ),
    Case(
        "add a job",
        base=delete(EMBER),
        expects=[
            low("create", EMBER, "daily at 02:00"),
            low("capacity", "Namespace crawlers", "requests.cpu 3.55 → 3.65 (quota 6)"),
        ],
    ),
]
