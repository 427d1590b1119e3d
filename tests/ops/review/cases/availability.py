"""downtime and restart: pods that stop, are missing or start again."""

from tests.ops.review.cases import (
    API,
    BUDGET,
    CONTAINER,
    MCP,
    NEBULA,
    POD,
    case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import remove_field, reverse, set_field
from tests.ops.review.edits import declare, together, write

SERVICE = "Service cerebro/cerebro-api"
OTHER_MANIFEST = "https://gnosischain.github.io/dbt/manifest.json"

CASES = [
    # downtime
    case(
        "scale to zero",
        set_field(API, "spec.replicas", 0),
        high("downtime", API, "0 pods"),
        low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 1.25 (quota 4)"),
    ),
    case(
        "scale to one replica",
        set_field(API, "spec.replicas", 1),
        medium("downtime", API, "api.analytics.gnosis.io"),
        low("update", API, "spec.replicas 2 → 1"),
        low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 2 (quota 4)"),
    ),
    case(
        "change a variable of a single writer",
        declare("crawlers/nebula", old='_COUNT": "1000"', new='_COUNT": "500"'),
        *recreated(NEBULA, "env[NEBULA_CRAWL_WORKER_COUNT]"),
    ),
    case(
        "change a variable of a web service with one replica",
        declare("cerebro/cerebro_mcp", old='"internal_full"', new='"internal"'),
        *recreated(MCP, "env[MCP_SURFACE_PROFILE]"),
    ),
    case(
        "let an update leave a pod missing",
        set_field(API, "spec.strategy.rollingUpdate.maxUnavailable", 1),
        high("downtime", API, "[unavailable-during-update]"),
        medium("downtime", API, "1 of 2 pods"),
    ),
    case(
        "change the strategy to Recreate",
        set_field(API, "spec.strategy", {"type": "Recreate"}),
        high("downtime", API, "[unavailable-during-update]"),
        medium("downtime", API, "(Recreate)"),
        low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 1.75 (quota 4)"),
    ),
    case(
        "remove a readiness probe",
        remove_field(API, f"{CONTAINER}.readinessProbe"),
        high("downtime", API, "[missing-probe]"),
        low("restart", API, "readinessProbe"),
    ),
    case(
        "remove a startup probe",
        remove_field(API, f"{CONTAINER}.startupProbe"),
        medium("downtime", API, "container cerebro-api loses its startupProbe"),
        low("restart", API, "startupProbe"),
    ),
    case(
        "let a Service select labels that no pod has",
        set_field(SERVICE, "spec.selector.app", "api"),
        high("downtime", SERVICE, "[dangling-service]"),
        medium("exposure", SERVICE, "spec.selector: cerebro-api → api"),
    ),
    case(
        "let a disruption budget allow the eviction of every pod",
        set_field(BUDGET, "spec.maxUnavailable", 2),
        high("downtime", BUDGET, "[unsafe-disruption-budget]"),
    ),
    case(
        "make the grace period shorter than preStop",
        set_field(API, f"{POD}.terminationGracePeriodSeconds", 10),
        high("downtime", API, "[short-grace-period]"),
        low("restart", API, "terminationGracePeriodSeconds"),
    ),
    case(
        "change the port of a Service behind an Ingress",
        set_field(SERVICE, "spec.ports[http].port", 9000),
        high("downtime", "Ingress cerebro/cerebro-api", "[dangling-ingress]"),
        medium("exposure", SERVICE, "TCP 9000"),
        medium("exposure", SERVICE, "TCP 8000"),
    ),
    case(
        "change targetPort to a port without a listener",
        set_field(SERVICE, "spec.ports[http].targetPort", 9999),
        high("downtime", SERVICE, "[dangling-service]"),
        medium("exposure", SERVICE, "9999"),
        medium("exposure", SERVICE, "TCP 8000"),
    ),
    case(
        "select nodes of another architecture",
        set_field(API, f"{POD}.nodeSelector[kubernetes.io/arch]", "amd64"),
        high("downtime", API, "[wrong-architecture]"),
        low("restart", API, "nodeSelector[kubernetes.io/arch]"),
    ),
    case(
        "remove the pull secret",
        remove_field(API, f"{POD}.imagePullSecrets"),
        high("downtime", API, "[missing-pull-secret]"),
        low("restart", API, "imagePullSecrets[ghcr-pull-secret]"),
    ),
    # restart
    case(
        "change a variable",
        declare("cerebro/cerebro_api", old='"300"', new='"600"'),
        low("restart", API, "env[DBT_MANIFEST_REFRESH_INTERVAL_SECONDS]"),
    ),
    case(
        "change a variable that two services share",
        together(
            set_field(API, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
            set_field(MCP, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
        ),
        low("restart", API, "shared"),
        *recreated(MCP, "shared"),
    ),
    case(
        "change a variable that two services share, and another",
        together(
            write("cerebro/cerebro-api", ('"300"', '"600"')),
            set_field(API, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
            set_field(MCP, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
        ),
        low("restart", API, "because its pod template changes"),
        *recreated(MCP, "shared"),
    ),
    case(
        "extend the grace period",
        set_field(API, f"{POD}.terminationGracePeriodSeconds", 90),
        low("restart", API, "terminationGracePeriodSeconds"),
    ),
    case("reorder variables", reverse(API, f"{CONTAINER}.env"), low("restart", API, "env[order]")),
]
