"""A generic OAuth client, oauth4webapi in oauth.mjs: it knows nothing but the MCP server's address."""

from typing import Any

from .ledger import Ledger
from .node import NodeProgram
from .person import Person
from .process import ServerProcess

CALLBACK = "http://127.0.0.1:45455/callback"
METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


class OAuthClient(NodeProgram):
    """A client of oauth.mjs. Each method but `approve` is a command of it."""

    def __init__(self, server: ServerProcess, ledger: Ledger) -> None:
        self._ledger = ledger
        super().__init__("oauth.mjs", server.mcp_url)

    def do(self, command: str, **arguments: Any) -> Any:
        self._ledger.note_members(arguments)
        result = super().do(command, **arguments)
        if isinstance(result, dict):
            self._ledger.note_members(result)
        return result

    def register(
        self, method: str, *, dpop_bound_access_tokens: bool | None = None, **more: Any
    ) -> dict[str, Any]:
        """Find the server, and register with this method of authentication."""
        self.do("discover")
        grants = more.pop("grant_types", ["authorization_code", "refresh_token"])
        metadata: dict[str, Any] = {
            "client_name": "Generic client",
            "redirect_uris": [CALLBACK] if "authorization_code" in grants else [],
            "grant_types": grants,
            "token_endpoint_auth_method": method,
        }
        if dpop_bound_access_tokens is not None:
            metadata["dpop_bound_access_tokens"] = dpop_bound_access_tokens
        algorithm = {"algorithm": "ES256"} if method == "private_key_jwt" else {}
        client: dict[str, Any] = self.do("register", metadata=metadata, **(algorithm | more))
        return client

    def approve(self, person: Person, **request: Any) -> dict[str, Any]:
        """Through the browser to tokens."""
        callback = person.approve(self.do("authorize", **request))
        tokens: dict[str, Any] = self.do("redeem", callback=callback)
        return tokens

    def approve_pushed(self, person: Person, **request: Any) -> dict[str, Any]:
        """The same by a pushed request."""
        callback = person.approve(self.do("push", **request)["url"])
        tokens: dict[str, Any] = self.do("redeem", callback=callback)
        return tokens

    def add(self, a: int, b: int, **more: Any) -> Any:
        """Call the tool."""
        return self.do("call", name="add", args={"a": a, "b": b}, **more)["structuredContent"]
