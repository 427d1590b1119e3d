"""The SSM parameters of the platform, each with path, description and placeholder.

Charts read them, SecretsStack creates them with their placeholder, and External Secrets' role may
read exactly these. The reader can parse the placeholder until an operator sets the value.
"""

from enum import Enum

from constructs_lib.model import Parameter

_UNSET = "placeholder"
_NO_HOST = "placeholder.invalid"
_NO_URL = "https://placeholder.invalid"


class Parameters(Parameter, Enum):
    """The first five parameters are from the deployment page."""

    CLICKHOUSE_HOST = "/cerebro/clickhouse/host", "ClickHouse Cloud hostname", _NO_HOST
    CLICKHOUSE_USER = "/cerebro/clickhouse/user", "ClickHouse username", _UNSET
    CLICKHOUSE_PASSWORD = "/cerebro/clickhouse/password", "ClickHouse password", _UNSET
    API_KEYS = "/cerebro/api/keys", "API key registry (JSON)", "{}"
    IPINFO_TOKEN = "/cerebro/ipinfo/token", "ipinfo.io API token", _UNSET

    BEACON_NODE_URL = "/cerebro/beacon/node-url", "Consensus REST API, URL with its key", _NO_URL
    COINGECKO_API_KEY = "/cerebro/coingecko/api-key", "CoinGecko API key", _UNSET
    COW_API_KEY = "/cerebro/cow/api-key", "CoW Protocol API key", _UNSET
    DASHBOARD_API_KEY = "/cerebro/dashboard/api-key", "Key of the dashboard's own API", _UNSET
    DUNE_API_KEY = "/cerebro/dune/api-key", "Dune API key", _UNSET
    EXECUTION_RPC_URL = "/cerebro/execution/rpc-url", "Execution RPC, URL with its key", _NO_URL
    GHCR_DOCKERCONFIGJSON = (
        "/cerebro/ghcr/dockerconfigjson",
        "Registry login that pulls the images (a docker config.json)",
        '{"auths":{}}',
    )
    MCP_AUTH_TOKEN = "/cerebro/mcp/auth-token", "Bearer token of cerebro-mcp", _UNSET
    MIXPANEL_USERNAME = "/cerebro/mixpanel/sa-username", "Mixpanel service account", _UNSET
    MIXPANEL_SECRET = "/cerebro/mixpanel/sa-secret", "Mixpanel service account's secret", _UNSET
