"""secret: which values are read, and by whom."""

from tests.ops.review.cases import (
    API,
    CONTAINER,
    MCP,
    NEBULA,
    NEBULA_SECRETS,
    Case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import append, create, remove_field, set_field
from tests.ops.review.edits import declare, together

API_SECRETS = "ExternalSecret cerebro/cerebro-api-secrets"
MCP_SECRETS = "ExternalSecret cerebro/cerebro-mcp-secrets"
LOGIN = create(
    "cerebro/cerebro-api.k8s.yaml", "Secret cerebro/login", "v1", stringData={"password": "x"}
)
MISSING_KEY = {"secretKeyRef": {"name": "nebula-secrets", "key": "PORT"}}

CASES = [
    Case(
        "read another parameter in addition",
        edit=declare(
            "cerebro/cerebro_api",
            old='"API_KEYS": Parameters.API_KEYS,',
            new='"API_KEYS": Parameters.API_KEYS, "TOKEN": Parameters.COW_API_KEY,',
        ),
        expects=[
            medium("secret", API_SECRETS, "/cerebro/cow/api-key as TOKEN"),
            low("restart", API, "Secret cerebro-api-secrets"),
        ],
    ),
    Case(
        "read a key from another parameter",
        edit=set_field(
            NEBULA_SECRETS,
            "spec.data[NEBULA_DATABASE_USER].remoteRef.key",
            "/cerebro/clickhouse/reader",
        ),
        expects=[medium("secret", NEBULA_SECRETS, "/cerebro/clickhouse/reader")],
    ),
    Case(
        "remove a key",
        edit=remove_field(MCP_SECRETS, "spec.data[MCP_AUTH_TOKEN]"),
        expects=[
            medium("secret", MCP_SECRETS, "/cerebro/mcp/auth-token as MCP_AUTH_TOKEN"),
            *recreated(MCP, "Secret cerebro-mcp-secrets"),
        ],
    ),
    Case(
        "read a Secret that does not exist",
        edit=set_field(NEBULA, f"{CONTAINER}.envFrom[0].secretRef.name", "nebula"),
        expects=[
            high("secret", NEBULA, "[missing-secret]"),
            *recreated(NEBULA, "envFrom[nebula]"),
        ],
    ),
    Case(
        "read a key that does not exist",
        edit=set_field(
            NEBULA,
            f"{CONTAINER}.env[NEBULA_DATABASE_PORT]",
            {"name": "NEBULA_DATABASE_PORT", "valueFrom": MISSING_KEY},
        ),
        expects=[
            high("secret", NEBULA, "[missing-secret]"),
            *recreated(NEBULA, "env[NEBULA_DATABASE_PORT]"),
        ],
    ),
    Case(
        "commit a Secret",
        edit=LOGIN,
        expects=[
            high("secret", "Secret cerebro/login", "[secret-in-git]"),
            low("create", "Secret cerebro/login"),
        ],
    ),
    Case(
        "change a committed Secret",
        base=LOGIN,
        edit=together(LOGIN, set_field("Secret cerebro/login", "stringData.password", "y")),
        expects=[high("secret", "Secret cerebro/login", "changes password in Git")],
    ),
    Case(
        "read from another store",
        edit=set_field(NEBULA_SECRETS, "spec.secretStoreRef.name", "other"),
        expects=[
            medium("secret", NEBULA_SECRETS, "spec.secretStoreRef.name: aws-ssm → other"),
            high("downtime", NEBULA_SECRETS, "[dangling-reference]"),
        ],
    ),
    Case(
        "commit the value of a secret key as a variable",
        edit=append(API, f"{CONTAINER}.env", {"name": "CLICKHOUSE_PASSWORD", "value": "hunter2-x"}),
        expects=[
            high("secret", API, "[secret-in-pod-spec]"),
            low("restart", API, "env[CLICKHOUSE_PASSWORD]"),
        ],
    ),
]
