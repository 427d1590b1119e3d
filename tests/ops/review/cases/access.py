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
    case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import create, delete, remove_field, set_field
from tests.ops.review.edits import declare, platform, together, unchanged, write

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
WITHOUT_PEERS = write(
    "cerebro/cerebro-api",
    (r"      to:\n        - ipBlock:\n            cidr: 0.0.0.0/0\n(.+\n){15}(?=    - ports)", ""),
)
"""Removes the peers of a rule to any address except link-local ones."""

CASES = [
    # exposure
    case(
        "make a load balancer internet-facing",
        declare("cerebro/cerebro_mcp", old='scheme="internal"', new='scheme="internet-facing"'),
        high("exposure", MCP_INGRESS, "https://mcp.analytics.gnosis.io/"),
        high("replace", MCP_INGRESS, "internal → internet-facing"),
        medium("downtime", MCP, "mcp.analytics.gnosis.io"),
    ),
    case(
        "change a host",
        set_field(API_INGRESS, "spec.rules[0].host", "data.analytics.gnosis.io"),
        high("exposure", API_INGRESS, "https://data.analytics.gnosis.io/"),
        medium("exposure", API_INGRESS, "https://api.analytics.gnosis.io/"),
    ),
    case(
        "allow a denied path",
        declare(
            "cerebro/cerebro_api",
            old='scheme="internet-facing",',
            new='scheme="internet-facing", denied_paths=(),',
        ),
        high("exposure", API_INGRESS, "https://api.analytics.gnosis.io/metrics"),
    ),
    case(
        "remove the redirect to HTTPS",
        remove_field(API_INGRESS, f"{ANNOTATIONS}[alb.ingress.kubernetes.io/ssl-redirect]"),
        high("exposure", API_INGRESS, "[unencrypted-ingress]"),
        medium("exposure", API_INGRESS, "http://api.analytics.gnosis.io/"),
    ),
    case(
        "change the certificate",
        platform(certificate_arn=CERTIFICATE_ARN),
        *[medium("exposure", ingress, f"→ {CERTIFICATE_ARN}") for ingress in INGRESSES],
    ),
    case(
        "serve an Ingress by another controller",
        set_field(API_INGRESS, f"{ANNOTATIONS}[kubernetes.io/ingress.class]", "nginx"),
        high("exposure", API_INGRESS, "ingress controller: alb → nginx"),
    ),
    case(
        "change a Service to LoadBalancer",
        set_field("Service cerebro/cerebro-api", "spec.type", "LoadBalancer"),
        high("exposure", "Service cerebro/cerebro-api", "load balancer"),
    ),
    case(
        "delete the default-deny policy",
        delete(DENY),
        medium("delete", DENY),
        high("exposure", DENY, "reached from any address"),
        high("exposure", DENY, "connect to"),
    ),
    case(
        "close egress",
        declare(
            "cerebro/cerebro_api", old="egress=(CLICKHOUSE, HTTPS)", new="egress=(CLICKHOUSE,)"
        ),
        medium("exposure", API_POLICY, "TCP 443"),
    ),
    case(
        "limit ingress to the subnets of the load balancers",
        platform(alb_subnets=("10.0.0.0/24",)),
        medium("exposure", API_POLICY, "TCP 8000"),
        medium("exposure", "NetworkPolicy cerebro/cerebro-mcp", "TCP 8000"),
        medium("exposure", "NetworkPolicy cerebro/metrics-dashboard", "TCP 8080"),
        low("restart", API, "env[FORWARDED_ALLOW_IPS]"),
    ),
    case(
        "let two rules of a policy except different addresses",
        WITHOUT_PEERS,
        high("exposure", API_POLICY, "egress: opens 0.0.0.0/0 and 0.0.0.0/0 except 10.0.0.0/8"),
        others=True,
    ),
    case(
        "let two rules of a policy except the same addresses",
        unchanged,
        low("exposure", API_POLICY, "fixed: egress: opens 0.0.0.0/0 and 0.0.0.0/0 except"),
        others=True,
        base=WITHOUT_PEERS,
    ),
    # privilege
    case(
        "allow privilege escalation",
        set_field(API, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", value=True),
        high("privilege", API, "[pod-security-restricted]"),
        low("restart", API, "securityContext.allowPrivilegeEscalation"),
    ),
    case(
        "run as root",
        together(
            set_field(CRYO, f"{POD}.securityContext.runAsUser", 0),
            set_field(MIGRATIONS, f"{POD}.securityContext.runAsUser", 0),
            set_field(MAINTENANCE, f"spec.jobTemplate.{POD}.securityContext.runAsUser", 0),
        ),
        high("privilege", CRYO, "[pod-security-restricted]"),
        high("privilege", MIGRATIONS, "[pod-security-restricted]"),
        high("privilege", MAINTENANCE, "[pod-security-restricted]"),
        medium("privilege", CRYO, "runAsUser: 1000 → 0"),
        medium("privilege", MIGRATIONS, "runAsUser: 1000 → 0"),
        medium("privilege", MAINTENANCE, "runAsUser: 1000 → 0"),
        *recreated(CRYO, "securityContext.runAsUser"),
        high("update", MIGRATIONS, "[unsynced-release]"),
        low("update", MIGRATIONS, "cryo-indexer"),
    ),
    case(
        "mount a service-account token",
        set_field(API, f"{POD}.automountServiceAccountToken", value=True),
        high("privilege", API, "[mounted-api-token]"),
        low("restart", API, "automountServiceAccountToken"),
    ),
    case(
        "mount a path of the node",
        set_field(NEBULA, f"{POD}.volumes[tmp]", {"name": "tmp", "hostPath": {"path": "/"}}),
        high("privilege", NEBULA, "[pod-security-baseline]"),
        *recreated(NEBULA, "volumes[tmp]"),
    ),
    case(
        "lower the Pod Security level of a namespace",
        set_field(
            "Namespace cerebro", "metadata.labels[pod-security.kubernetes.io/enforce]", "baseline"
        ),
        high("privilege", "Namespace cerebro", "enforce: restricted → baseline"),
    ),
    case(
        "give a ServiceAccount an IAM role",
        set_field(API_ACCOUNT, ANNOTATIONS, {"eks.amazonaws.com/role-arn": ROLE_ARN}),
        high("privilege", API_ACCOUNT, ROLE_ARN),
    ),
    case(
        "add a Role",
        create(
            "cerebro/cerebro-api.k8s.yaml",
            "Role cerebro/reader",
            "rbac.authorization.k8s.io/v1",
            rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
        ),
        high("privilege", "Role cerebro/reader", "get secrets"),
        high("privilege", "Role cerebro/reader", "[rbac-object]"),
        low("create", "Role cerebro/reader"),
    ),
    case(
        "change the kinds that a project allows",
        set_field(PROJECT, "spec.namespaceResourceWhitelist[LimitRange].kind", "Secret"),
        high("privilege", PROJECT, "Secret"),
        low("privilege", PROJECT, "LimitRange"),
    ),
    case(
        "change the repository of an Application",
        set_field(ROOT_APPLICATION, "spec.source.repoURL", "https://example.org/other.git"),
        high("privilege", ROOT_APPLICATION, "→ https://example.org/other.git"),
    ),
    case(
        "change the namespaces that may use the secret store",
        set_field(STORE, "spec.conditions[0].namespaces[crawlers]", "default"),
        high("privilege", STORE, "default"),
        low("privilege", STORE, "crawlers"),
    ),
]
