"""exposure and privilege: who reaches what, and what is allowed."""

from tests.ops.review.cases import (
    API,
    CONTAINER,
    CRYO,
    INGRESSES,
    MAINTENANCE,
    MCP,
    MIGRATIONS,
    NEBULA,
    POD,
    Case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import create, delete, remove_field, set_field
from tests.ops.review.edits import declare, platform, together

API_INGRESS, MCP_INGRESS, _ = INGRESSES
API_POLICY = "NetworkPolicy cerebro/cerebro-api"
API_ACCOUNT = "ServiceAccount cerebro/cerebro-api"
DENY = "NetworkPolicy cerebro/default-deny"
PROJECT = "AppProject argocd/gnosis-analytics"
STORE = "ClusterSecretStore aws-ssm"
ROOT_APPLICATION = "Application argocd/root"
ROLE_ARN = "arn:aws:iam::1:role/x"
CERTIFICATE_ARN = "arn:aws:acm:eu-central-1:111122223333:certificate/1"
ANNOTATIONS = "metadata.annotations"

CASES = [
    # exposure
    Case(
        "make a load balancer internet-facing",
        edit=declare(
            "cerebro/cerebro_mcp", old='scheme="internal"', new='scheme="internet-facing"'
        ),
        expects=[
            high("exposure", MCP_INGRESS, "https://mcp.analytics.gnosis.io/"),
            high("replace", MCP_INGRESS, "internal → internet-facing"),
            medium("downtime", MCP, "mcp.analytics.gnosis.io"),
        ],
    ),
    Case(
        "change a host",
        edit=set_field(API_INGRESS, "spec.rules[0].host", "data.analytics.gnosis.io"),
        expects=[
            high("exposure", API_INGRESS, "https://data.analytics.gnosis.io/"),
            medium("exposure", API_INGRESS, "https://api.analytics.gnosis.io/"),
        ],
    ),
    Case(
        "allow a denied path",
        edit=declare(
            "cerebro/cerebro_api",
            old='scheme="internet-facing",',
            new='scheme="internet-facing", denied_paths=(),',
        ),
        expects=[high("exposure", API_INGRESS, "https://api.analytics.gnosis.io/metrics")],
    ),
    Case(
        "remove the redirect to HTTPS",
        edit=remove_field(API_INGRESS, f"{ANNOTATIONS}[alb.ingress.kubernetes.io/ssl-redirect]"),
        expects=[
            high("exposure", API_INGRESS, "[unencrypted-ingress]"),
            medium("exposure", API_INGRESS, "http://api.analytics.gnosis.io/"),
        ],
    ),
    Case(
        "change the certificate",
        edit=platform(certificate_arn=CERTIFICATE_ARN),
        expects=[medium("exposure", ingress, f"→ {CERTIFICATE_ARN}") for ingress in INGRESSES],
    ),
    Case(
        "serve an Ingress by another controller",
        edit=set_field(API_INGRESS, f"{ANNOTATIONS}[kubernetes.io/ingress.class]", "nginx"),
        expects=[high("exposure", API_INGRESS, "ingress controller: alb → nginx")],
    ),
    Case(
        "change a Service to LoadBalancer",
        edit=set_field("Service cerebro/cerebro-api", "spec.type", "LoadBalancer"),
        expects=[high("exposure", "Service cerebro/cerebro-api", "load balancer")],
    ),
    Case(
        "delete the default-deny policy",
        edit=delete(DENY),
        expects=[
            medium("delete", DENY),
            high("exposure", DENY, "reached from any address"),
            high("exposure", DENY, "connect to"),
        ],
    ),
    Case(
        "close egress",
        edit=declare(
            "cerebro/cerebro_api", old="egress=(CLICKHOUSE, HTTPS)", new="egress=(CLICKHOUSE,)"
        ),
        expects=[medium("exposure", API_POLICY, "TCP 443")],
    ),
    Case(
        "limit ingress to the subnets of the load balancers",
        edit=platform(alb_subnets=("10.0.0.0/24",)),
        expects=[
            medium("exposure", API_POLICY, "TCP 8000"),
            medium("exposure", "NetworkPolicy cerebro/cerebro-mcp", "TCP 8000"),
            medium("exposure", "NetworkPolicy cerebro/metrics-dashboard", "TCP 8080"),
            low("restart", API, "env[FORWARDED_ALLOW_IPS]"),
        ],
    ),
    # privilege
    Case(
        "allow privilege escalation",
        edit=set_field(API, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", value=True),
        expects=[
            high("privilege", API, "[pod-security-restricted]"),
            low("restart", API, "securityContext.allowPrivilegeEscalation"),
        ],
    ),
    Case(
        "run as root",
        edit=together(
            set_field(CRYO, f"{POD}.securityContext.runAsUser", 0),
            set_field(MIGRATIONS, f"{POD}.securityContext.runAsUser", 0),
            set_field(MAINTENANCE, f"spec.jobTemplate.{POD}.securityContext.runAsUser", 0),
        ),
        expects=[
            high("privilege", CRYO, "[pod-security-restricted]"),
            high("privilege", MIGRATIONS, "[pod-security-restricted]"),
            high("privilege", MAINTENANCE, "[pod-security-restricted]"),
            medium("privilege", CRYO, "runAsUser: 1000 → 0"),
            medium("privilege", MIGRATIONS, "runAsUser: 1000 → 0"),
            medium("privilege", MAINTENANCE, "runAsUser: 1000 → 0"),
            *recreated(CRYO, "securityContext.runAsUser"),
            high("update", MIGRATIONS, "[unsynced-release]"),
            low("update", MIGRATIONS, "cryo-indexer"),
        ],
    ),
    Case(
        "mount a service-account token",
        edit=set_field(API, f"{POD}.automountServiceAccountToken", value=True),
        expects=[
            high("privilege", API, "[mounted-api-token]"),
            low("restart", API, "automountServiceAccountToken"),
        ],
    ),
    Case(
        "mount a path of the node",
        edit=set_field(NEBULA, f"{POD}.volumes[tmp]", {"name": "tmp", "hostPath": {"path": "/"}}),
        expects=[
            high("privilege", NEBULA, "[pod-security-baseline]"),
            *recreated(NEBULA, "volumes[tmp]"),
        ],
    ),
    Case(
        "lower the Pod Security level of a namespace",
        edit=set_field(
            "Namespace cerebro", "metadata.labels[pod-security.kubernetes.io/enforce]", "baseline"
        ),
        expects=[high("privilege", "Namespace cerebro", "enforce: restricted → baseline")],
    ),
    Case(
        "give a ServiceAccount an IAM role",
        edit=set_field(API_ACCOUNT, ANNOTATIONS, {"eks.amazonaws.com/role-arn": ROLE_ARN}),
        expects=[high("privilege", API_ACCOUNT, ROLE_ARN)],
    ),
    Case(
        "add a Role",
        edit=create(
            "cerebro/cerebro-api.k8s.yaml",
            "Role cerebro/reader",
            "rbac.authorization.k8s.io/v1",
            rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
        ),
        expects=[
            high("privilege", "Role cerebro/reader", "get secrets"),
            high("privilege", "Role cerebro/reader", "[rbac-object]"),
            low("create", "Role cerebro/reader"),
        ],
    ),
    Case(
        "change the kinds that a project allows",
        edit=set_field(PROJECT, "spec.namespaceResourceWhitelist[LimitRange].kind", "Secret"),
        expects=[
            high("privilege", PROJECT, "Secret"),
            low("privilege", PROJECT, "LimitRange"),
        ],
    ),
    Case(
        "change the repository of an Application",
        edit=set_field(ROOT_APPLICATION, "spec.source.repoURL", "https://example.org/other.git"),
        expects=[high("privilege", ROOT_APPLICATION, "→ https://example.org/other.git")],
    ),
    Case(
        "change the namespaces that may use the secret store",
        edit=set_field(STORE, "spec.conditions[0].namespaces[crawlers]", "default"),
        expects=[
            high("privilege", STORE, "default"),
            low("privilege", STORE, "crawlers"),
        ],
    ),
]
