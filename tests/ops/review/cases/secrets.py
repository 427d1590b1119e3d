"""secret: which values are read, and by whom."""

from tests.ops.review.cases import (
    API,
    CONTAINER,
    MCP,
    NEBULA,
    NEBULA_SECRETS,
    case,
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
    case("read another parameter in addition",
         declare("cerebro/cerebro_api", old='"API_KEYS": Parameters.API_KEYS,',
                 new='"API_KEYS": Parameters.API_KEYS, "TOKEN": Parameters.COW_API_KEY,'),
         medium("secret", API_SECRETS, "/cerebro/cow/api-key as TOKEN"),
         low("restart", API, "Secret cerebro-api-secrets")),
    case("read a key from another parameter",
         set_field(NEBULA_SECRETS, "spec.data[NEBULA_DATABASE_USER].remoteRef.key",
                   "/cerebro/clickhouse/reader"),
         medium("secret", NEBULA_SECRETS, "/cerebro/clickhouse/reader")),
    case("remove a key", remove_field(MCP_SECRETS, "spec.data[MCP_AUTH_TOKEN]"),
         medium("secret", MCP_SECRETS, "/cerebro/mcp/auth-token as MCP_AUTH_TOKEN"),
         *recreated(MCP, "Secret cerebro-mcp-secrets")),
    case("read a Secret that does not exist",
         set_field(NEBULA, f"{CONTAINER}.envFrom[0].secretRef.name", "nebula"),
         high("secret", NEBULA, "[missing-secret]"),
         *recreated(NEBULA, "envFrom[nebula]")),
    case("read a key that does not exist",
         set_field(NEBULA, f"{CONTAINER}.env[NEBULA_DATABASE_PORT]",
                   {"name": "NEBULA_DATABASE_PORT", "valueFrom": MISSING_KEY}),
         high("secret", NEBULA, "[missing-secret]"),
         *recreated(NEBULA, "env[NEBULA_DATABASE_PORT]")),
    case("commit a Secret", LOGIN,
         high("secret", "Secret cerebro/login", "[secret-in-git]"),
         low("create", "Secret cerebro/login")),
    case("change a committed Secret",
         together(LOGIN, set_field("Secret cerebro/login", "stringData.password", "y")),
         high("secret", "Secret cerebro/login", "changes password in Git"),
         base=LOGIN),
    case("read from another store", set_field(NEBULA_SECRETS, "spec.secretStoreRef.name", "other"),
         medium("secret", NEBULA_SECRETS, "spec.secretStoreRef.name: aws-ssm → other"),
         high("downtime", NEBULA_SECRETS, "[dangling-reference]")),
    case("commit the value of a secret key as a variable",
         append(API, f"{CONTAINER}.env", {"name": "CLICKHOUSE_PASSWORD", "value": "hunter2-x"}),
         high("secret", API, "[secret-in-pod-spec]"),
         low("restart", API, "env[CLICKHOUSE_PASSWORD]")),
]  # fmt: skip
