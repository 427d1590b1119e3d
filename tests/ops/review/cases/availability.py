"""downtime and restart: pods that stop, are missing or start again."""

from tests.ops.review.cases import (
    API,
    BUDGET,
    CONTAINER,
    MCP,
    NEBULA,
    POD,
    Case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import remove_field, reverse, set_field
from tests.ops.review.edits import declare, together

SERVICE = "Service cerebro/cerebro-api"
OTHER_MANIFEST = "https://gnosischain.github.io/dbt/manifest.json"

CASES = [
    # downtime
    Case(
        "scale to zero",
        edit=set_field(API, "spec.replicas", 0),
        expects=[
            high("downtime", API, "0 pods"),
            low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 1.25 (quota 4)"),
        ],
    ),
    Case(
        "scale to one replica",
        edit=set_field(API, "spec.replicas", 1),
        expects=[
            medium("downtime", API, "api.analytics.gnosis.io"),
            low("update", API, "spec.replicas 2 → 1"),
            low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 2 (quota 4)"),
        ],
    ),
    Case(
        "change a variable of a single writer",
        edit=declare("crawlers/nebula", old='_COUNT": "1000"', new='_COUNT": "500"'),
        expects=recreated(NEBULA, "env[NEBULA_CRAWL_WORKER_COUNT]"),
    ),
    Case(
        "change a variable of a web service with one replica",
        edit=declare("cerebro/cerebro_mcp", old='"internal_full"', new='"internal"'),
        expects=recreated(MCP, "env[MCP_SURFACE_PROFILE]"),
    ),
    Case(
        "let an update leave a pod missing",
        edit=set_field(API, "spec.strategy.rollingUpdate.maxUnavailable", 1),
        expects=[
            high("downtime", API, "[unavailable-during-update]"),
            medium("downtime", API, "1 of 2 pods"),
        ],
    ),
    Case(
        "change the strategy to Recreate",
        edit=set_field(API, "spec.strategy", {"type": "Recreate"}),
        expects=[
            high("downtime", API, "[unavailable-during-update]"),
            medium("downtime", API, "(Recreate)"),
            low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 1.75 (quota 4)"),
        ],
    ),
    Case(
        "remove a readiness probe",
        edit=remove_field(API, f"{CONTAINER}.readinessProbe"),
        expects=[
            high("downtime", API, "[missing-probe]"),
            low("restart", API, "readinessProbe"),
        ],
    ),
    Case(
        "remove a startup probe",
        edit=remove_field(API, f"{CONTAINER}.startupProbe"),
        expects=[
            medium("downtime", API, "container cerebro-api loses its startupProbe"),
            low("restart", API, "startupProbe"),
        ],
    ),
    Case(
        "let a Service select labels that no pod has",
        edit=set_field(SERVICE, "spec.selector.app", "api"),
        expects=[
            high("downtime", SERVICE, "[dangling-service]"),
            medium("exposure", SERVICE, "spec.selector: cerebro-api → api"),
        ],
    ),
    Case(
        "let a disruption budget allow the eviction of every pod",
        edit=set_field(BUDGET, "spec.maxUnavailable", 2),
        expects=[high("downtime", BUDGET, "[unsafe-disruption-budget]")],
    ),
    Case(
        "make the grace period shorter than preStop",
        edit=set_field(API, f"{POD}.terminationGracePeriodSeconds", 10),
        expects=[
            high("downtime", API, "[short-grace-period]"),
            low("restart", API, "terminationGracePeriodSeconds"),
        ],
    ),
    Case(
        "change the port of a Service behind an Ingress",
        edit=set_field(SERVICE, "spec.ports[http].port", 9000),
        expects=[
            high("downtime", "Ingress cerebro/cerebro-api", "[dangling-ingress]"),
            medium("exposure", SERVICE, "TCP 9000"),
            medium("exposure", SERVICE, "TCP 8000"),
        ],
    ),
    Case(
        "change targetPort to a port without a listener",
        edit=set_field(SERVICE, "spec.ports[http].targetPort", 9999),
        expects=[
            high("downtime", SERVICE, "[dangling-service]"),
            medium("exposure", SERVICE, "9999"),
            medium("exposure", SERVICE, "TCP 8000"),
        ],
    ),
    Case(
        "select nodes of another architecture",
        edit=set_field(API, f"{POD}.nodeSelector[kubernetes.io/arch]", "amd64"),
        expects=[
            high("downtime", API, "[wrong-architecture]"),
            low("restart", API, "nodeSelector[kubernetes.io/arch]"),
        ],
    ),
    Case(
        "remove the pull secret",
        edit=remove_field(API, f"{POD}.imagePullSecrets"),
        expects=[
            high("downtime", API, "[missing-pull-secret]"),
            low("restart", API, "imagePullSecrets[ghcr-pull-secret]"),
        ],
    ),
    # restart
    Case(
        "change a variable",
        edit=declare("cerebro/cerebro_api", old='"300"', new='"600"'),
        expects=[low("restart", API, "env[DBT_MANIFEST_REFRESH_INTERVAL_SECONDS]")],
    ),
    Case(
        "change a variable that two services share",
        edit=together(
            set_field(API, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
            set_field(MCP, f"{CONTAINER}.env[DBT_MANIFEST_URL].value", OTHER_MANIFEST),
        ),
        expects=[
            low("restart", API, "shared"),
            *recreated(MCP, "shared"),
        ],
    ),
    Case(
        "extend the grace period",
        edit=set_field(API, f"{POD}.terminationGracePeriodSeconds", 90),
        expects=[low("restart", API, "terminationGracePeriodSeconds")],
    ),
    Case(
        "reorder variables",
        edit=reverse(API, f"{CONTAINER}.env"),
        expects=[low("restart", API, "env[order]")],
    ),
]
