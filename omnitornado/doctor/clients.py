"""Our choice: what each known client does before its login, as data; seen on the wire and in its source."""

from typing import Any, Final

import msgspec

INITIALIZE: Final = "initialize"
DISCOVER: Final = "server/discover"

EVERY: Final = frozenset(
    {
        "unreachable", "certificate", "plain_http", "mcp_redirect", "not_401", "resource_differs",
        "no_authorization_server", "metadata_missing", "issuer_differs", "no_s256", "no_code", "no_endpoint",
        "plain_endpoint", "no_identity", "registration_refused", "registration_answer", "redirect_changed",
        "authorize_401", "authorize_refused", "authorize_gone", "form_action", "slow_limit", "push_required",
        "dpop_required",
    }
)  # fmt: skip
"""What stops every client."""
PUBLIC: Final = frozenset({"no_none", "secret_issued"})
"""What stops a client that asked for no secret."""
CHALLENGED: Final = frozenset({"no_challenge"})
EXACT: Final = frozenset({"resource_spelling"})
CLOUD: Final = frozenset({"no_ipv4"})


class Opening(msgspec.Struct, frozen=True):
    """A first request, without a token."""

    method: str
    call: str = ""
    """The JSON-RPC method of a POST."""
    version: str = ""
    """MCP-Protocol-Version; empty: not sent."""


class Client(msgspec.Struct, frozen=True):
    """A client: its requests in their order, what it registers with, and what it can't do without."""

    name: str
    openings: tuple[Opening, ...]
    redirect_uri: str
    """The one it logs in with."""
    registration: dict[str, Any]
    needs: frozenset[str]
    """Codes of the findings that stop it; others hinder, or only some of its versions."""
    document: str = ""
    """The address of its client ID metadata document, used where the server says that it takes those."""
    time_limit: float = 30.0
    """Seconds until it gives up on an answer."""
    is_cloud: bool = False
    """Asks from its vendor's machines, not from the person's."""


def build_registration(name: str, *redirect_uris: str, **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "client_name": name,
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return {key: value for key, value in (document | more).items() if value is not None}


CLIENTS: Final = (
    Client(
        name="ChatGPT",
        openings=(Opening("POST", INITIALIZE, "2025-11-25"),),
        redirect_uri="https://chatgpt.com/connector_platform_oauth_redirect",
        registration=build_registration("ChatGPT", "https://chatgpt.com/connector_platform_oauth_redirect"),
        document="https://chatgpt.com/oauth/client.json",
        needs=EVERY | PUBLIC | CLOUD | {"no_resource_document"},
        is_cloud=True,
    ),
    Client(
        name="Claude",
        openings=(Opening("POST", INITIALIZE, "2025-11-25"),),
        redirect_uri="https://claude.ai/api/mcp/auth_callback",
        registration=build_registration(
            "Claude", "https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"
        ),
        document="https://claude.ai/oauth/mcp-oauth-client-metadata",
        needs=EVERY | EXACT | CHALLENGED | CLOUD | {"no_resource_document"},
        time_limit=10.0,
        is_cloud=True,
    ),
    Client(
        name="Claude Code",
        openings=(Opening("POST", DISCOVER, "2026-07-28"),),
        redirect_uri="http://localhost:54213/callback",
        registration=build_registration(
            "Claude Code", "http://localhost:54213/callback", application_type="native"
        ),
        document="https://claude.ai/oauth/claude-code-client-metadata",
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="Codex",
        openings=(Opening("GET", version="2024-11-05"),),
        redirect_uri="http://127.0.0.1:54214/callback",
        registration=build_registration(
            "Codex", "http://127.0.0.1:54214/callback", application_type="native"
        ),
        document="https://chatgpt.com/oauth/codex/client.json",
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="Cursor",
        openings=(Opening("POST", INITIALIZE, "2025-11-25"), Opening("GET", version="2025-11-25")),
        redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback",
        registration=build_registration(
            "Cursor",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "http://localhost:8787/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
        ),
        document="https://cursor.com/oauth/mcp-client.json",
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="VS Code",
        openings=(Opening("POST", INITIALIZE, "2025-11-25"),),
        redirect_uri="http://127.0.0.1:33418/",
        registration=build_registration(
            "Visual Studio Code",
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            application_type="native",
        ),
        document="https://vscode.dev/oauth/client-metadata.json",
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="Gemini CLI",
        openings=(Opening("POST", INITIALIZE), Opening("HEAD")),
        redirect_uri="http://localhost:54215/oauth/callback",
        registration=build_registration(
            "Gemini CLI MCP Client", "http://localhost:54215/oauth/callback", scope=""
        ),
        needs=EVERY | PUBLIC | EXACT | CHALLENGED | {"no_resource_metadata", "no_resource_document"},
    ),
    Client(
        name="MCP Inspector",
        openings=(Opening("POST", INITIALIZE, "2025-11-25"),),
        redirect_uri="http://127.0.0.1:6276/oauth/callback",
        registration=build_registration(
            "MCP Inspector",
            "http://localhost:6274/oauth/callback",
            "http://127.0.0.1:6276/oauth/callback",
            application_type="native",
            scope="",
        ),
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="mcp-remote",
        openings=(Opening("GET", version="2025-11-25"),),
        redirect_uri="http://localhost:54216/oauth/callback",
        registration=build_registration(
            "MCP CLI Proxy", "http://localhost:54216/oauth/callback", scope="openid email profile"
        ),
        needs=EVERY | PUBLIC,
    ),
    Client(
        name="Python SDK",
        openings=(Opening("POST", DISCOVER, "2026-07-28"),),
        redirect_uri="http://localhost:54217/callback",
        registration=build_registration(
            "MCP Python SDK client", "http://localhost:54217/callback", token_endpoint_auth_method=None
        ),
        needs=EVERY,
    ),
    Client(
        name="fastmcp",
        openings=(Opening("POST", DISCOVER, "2026-07-28"),),
        redirect_uri="http://localhost:54218/callback",
        registration=build_registration(
            "FastMCP Client", "http://localhost:54218/callback", application_type="native"
        ),
        needs=EVERY | PUBLIC | {"unknown_client"},
    ),
)
