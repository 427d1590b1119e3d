"""Shared by several services: ClickHouse connections and egress rules."""

from catalogue.parameters import Parameters
from constructs_lib.model import Egress, Parameter

CLICKHOUSE = Egress((8443,), to="anywhere")
"""ClickHouse over HTTPS. Its address may be private (PrivateLink)."""
CLICKHOUSE_NATIVE = Egress((9440,), to="anywhere")
"""ClickHouse's native protocol over TLS."""
HTTPS = Egress((443,))
"""Any public web server."""

DBT_MANIFEST_URL = "https://gnosischain.github.io/dbt-cerebro/manifest.json"


def clickhouse(prefix: str = "CLICKHOUSE_", *, host: str | None = None) -> dict[str, Parameter]:
    """Variables with the address and login of ClickHouse: `<prefix>HOST`, `<prefix>USER`, ….

    `host` is the full name of the address variable, if it is not `<prefix>HOST`.
    """
    return {
        host or f"{prefix}HOST": Parameters.CLICKHOUSE_HOST,
        f"{prefix}USER": Parameters.CLICKHOUSE_USER,
        f"{prefix}PASSWORD": Parameters.CLICKHOUSE_PASSWORD,
    }
