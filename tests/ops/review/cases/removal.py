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
    case,
    high,
    low,
    medium,
)
from tests.ops.review.cases.objects import create, delete, remove_field, set_field
from tests.ops.review.edits import drop, together, unchanged, without

API_FILE, MCP_FILE = "cerebro/cerebro-api.k8s.yaml", "cerebro/cerebro-mcp.k8s.yaml"
NEBULA_APPLICATION = "Application argocd/nebula"
WITHOUT_NEBULA = without("Nebula", "nebula")
NO_HOOK = remove_field(MIGRATIONS, "metadata.annotations")

CASES = [
    # delete
    case(
        "delete a volume claim",
        delete(CLAIM),
        high("delete", CLAIM, "volume"),
        high("downtime", "Deployment crawlers/ip-crawler", "[dangling-pod-reference]"),
        low("capacity", "Namespace crawlers", "persistentvolumeclaims 1 → 0 (quota 2)"),
    ),
    case("delete a disruption budget", delete(BUDGET), medium("delete", BUDGET)),
    case(
        "delete a protected namespace",
        delete("Namespace cerebro"),
        low("delete", "Namespace cerebro", "Prune=false"),
    ),
    case(
        "delete all jobs of click-runner",
        delete(*JOBS),
        *(medium("delete", job) for job in JOBS),
        low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.05 (quota 6)"),
    ),
    case(
        "remove a service",
        WITHOUT_NEBULA,
        high("delete", NEBULA_APPLICATION, "4 objects"),
        high("delete", NEBULA, "1 pod"),
        high("delete", NEBULA_SECRETS, "Secret nebula-secrets"),
        medium("delete", "ServiceAccount crawlers/nebula", NEBULA_APPLICATION),
        medium("delete", "NetworkPolicy crawlers/nebula", NEBULA_APPLICATION),
        low("secret", NEBULA_SECRETS, "/cerebro/clickhouse/host as NEBULA_DATABASE_HOST"),
        low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.4 (quota 6)"),
    ),
    case(
        "delete a file, but not its Application",
        drop("crawlers/nebula"),
        medium("delete", NEBULA, NEBULA_APPLICATION),
        medium("delete", NEBULA_SECRETS, NEBULA_APPLICATION),
        medium("delete", "ServiceAccount crawlers/nebula", NEBULA_APPLICATION),
        medium("delete", "NetworkPolicy crawlers/nebula", NEBULA_APPLICATION),
        low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.4 (quota 6)"),
    ),
    case(
        "remove the protection of a namespace",
        remove_field("Namespace cerebro", "metadata.annotations"),
        high("delete", "Namespace cerebro", "[prunable-shared-object]"),
    ),
    # replace
    case(
        "change the selector of a Deployment",
        set_field(API, "spec.selector.matchLabels.app", "api"),
        high("replace", API, "spec.selector"),
    ),
    case(
        "change the pod labels that a selector matches",
        set_field(API, "spec.template.metadata.labels.app", "api"),
        high("replace", API, "spec.selector"),
        high("downtime", "Service cerebro/cerebro-api", "[dangling-service]"),
        high("downtime", API, "[blocked-dns]"),
        high("downtime", API, "[blocked-dns]"),
        medium("exposure", API, "TCP 8000"),
        medium("exposure", API, "0.0.0.0/0 except 6 ranges"),
        low("restart", API, "metadata.labels.app"),
    ),
    case(
        "change a Job that is not a hook",
        together(NO_HOOK, set_field(MIGRATIONS, f"{CONTAINER}.args", ["migrate"])),
        high("replace", MIGRATIONS, "spec.template"),
        base=NO_HOOK,
    ),
    case(
        "shrink a volume",
        set_field(CLAIM, "spec.resources.requests.storage", "512Mi"),
        high("replace", CLAIM, "volume"),
    ),
    case(
        "make a Service headless",
        set_field("Service cerebro/cerebro-api", "spec.clusterIP", "None"),
        high("replace", "Service cerebro/cerebro-api", "spec.clusterIP"),
    ),
    case(
        "move an object to another Application",
        together(delete(BUDGET), create(MCP_FILE, BUDGET, "policy/v1", spec={"maxUnavailable": 1})),
        high("replace", BUDGET, "cerebro-mcp"),
        low("update", BUDGET, "metadata.labels.app cerebro-api → (none)"),
        low("update", BUDGET, "spec.selector.matchLabels.app cerebro-api → (none)"),
    ),
    # create
    case(
        "add a service",
        unchanged,
        high("privilege", NEBULA_APPLICATION, "sync dist/crawlers/nebula.k8s.yaml of https://"),
        low("create", NEBULA_APPLICATION),
        low("create", NEBULA, "1 pod"),
        low("create", "ServiceAccount crawlers/nebula"),
        low("create", "NetworkPolicy crawlers/nebula"),
        low("create", NEBULA_SECRETS),
        medium("secret", NEBULA_SECRETS, "/cerebro/clickhouse/host as NEBULA_DATABASE_HOST"),
        low("capacity", "Namespace crawlers", "requests.cpu 3.4 → 3.65 (quota 6)"),
        base=WITHOUT_NEBULA,
    ),
    case(
        "add a ConfigMap",
        create(API_FILE, "ConfigMap cerebro/settings", "v1", data={}),
        low("create", "ConfigMap cerebro/settings"),
    ),
    case(
        "add a job",
        unchanged,
        low("create", EMBER, "daily at 02:00"),
        low("capacity", "Namespace crawlers", "requests.cpu 3.55 → 3.65 (quota 6)"),
        base=delete(EMBER),
    ),
]
