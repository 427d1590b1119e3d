"""Every host name that is served: the certificate's names and the Ingresses' hosts."""

from enum import Enum

from constructs_lib.model import Host


class Hosts(Host, Enum):
    """The hosts. API is the deployment page's; the others are examples that the owner replaces."""

    API = "api.analytics.gnosis.io"
    MCP = "mcp.analytics.gnosis.io"
    DASHBOARD = "dashboard.analytics.gnosis.io"
