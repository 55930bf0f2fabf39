"""Our choice, after the MCP extensions of authorization ("Advertise support", "Declare the extension"): which
of the login's ways without a page an endpoint announces.
"""

from typing import Final

from omnitornado.config import Config
from omnitornado.oauth.client import CLIENT_CREDENTIALS

OAUTH_CLIENT_CREDENTIALS: Final = "io.modelcontextprotocol/oauth-client-credentials"
ENTERPRISE_MANAGED: Final = "io.modelcontextprotocol/enterprise-managed-authorization"


def list_login_extensions(config: Config) -> list[str]:
    """The names of the MCP extensions of authorization that this configuration turns on."""
    grants = {grant for client in config.clients for grant in client.grant_types}
    return [
        *([OAUTH_CLIENT_CREDENTIALS] if CLIENT_CREDENTIALS in grants else []),
        *([ENTERPRISE_MANAGED] if config.identity_providers else []),
    ]
