"""What several services have in common: ClickHouse, and where they connect to."""

from catalogue.parameters import Parameters
from constructs_lib.model import Egress, Parameter

CLICKHOUSE = Egress((8443,), to="anywhere")
"""ClickHouse over HTTPS; its address may be private (PrivateLink)."""
CLICKHOUSE_NATIVE = Egress((9440,), to="anywhere")
"""ClickHouse's own protocol over TLS."""
HTTPS = Egress((443,))
"""Any public web server."""

DBT_MANIFEST_URL = "https://gnosischain.github.io/dbt-cerebro/manifest.json"


def clickhouse(prefix: str = "CLICKHOUSE_", *, host: str | None = None) -> dict[str, Parameter]:
    """Address and login of ClickHouse under a program's own names, `<prefix>HOST` and so on.

    `host` is the whole name of the address where the program calls it otherwise.
    """
    return {
        host or f"{prefix}HOST": Parameters.CLICKHOUSE_HOST,
        f"{prefix}USER": Parameters.CLICKHOUSE_USER,
        f"{prefix}PASSWORD": Parameters.CLICKHOUSE_PASSWORD,
    }
