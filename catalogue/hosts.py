"""The host names of the Ingresses and the certificate."""

from enum import Enum

from constructs_lib.model import Host


class Hosts(Host, Enum):
    """API is from the deployment page; the other hosts are examples for the owner to replace."""

    API = "api.analytics.gnosis.io"
    MCP = "mcp.analytics.gnosis.io"
    DASHBOARD = "dashboard.analytics.gnosis.io"
