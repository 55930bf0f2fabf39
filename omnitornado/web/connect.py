"""How to connect each known client: one list, for `/` with the server's own address and for the README."""

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing to do, with the text to copy where there is one."""

    text: str
    code: str | None = None


@dataclass(frozen=True)
class Guide:
    """A client's steps."""

    id: str
    name: str
    steps: tuple[Step, ...]


def build_guides(mcp_url: str, *, name: str = "omnitornado") -> list[Guide]:
    """The steps for each client, with this server's URL. `name` is what the client will call the server."""
    label = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "omnitornado"
    return [
        Guide(
            "chatgpt",
            "ChatGPT",
            (
                Step("ChatGPT connects from the internet, so the server needs a public https address."),
                Step(
                    "In Settings, open Apps & Connectors, then Advanced settings, and turn on Developer mode."
                ),
                Step(
                    "Back in Apps & Connectors choose Create, and paste this as the MCP server URL:", mcp_url
                ),
                Step("Leave Authentication on OAuth, choose Create, then sign in and approve."),
            ),
        ),
        Guide(
            "claude",
            "Claude (web, desktop, mobile)",
            (
                Step("Claude connects from the internet, so the server needs a public https address."),
                Step("In Settings, open Connectors and choose Add custom connector."),
                Step("Give it a name and paste this as the URL, then choose Add:", mcp_url),
                Step("Choose Connect beside it, then sign in and approve."),
            ),
        ),
        Guide(
            "claude-code",
            "Claude Code",
            (
                Step("Add the server:", f"claude mcp add --transport http {label} {mcp_url}"),
                Step("In a session, open the list, choose the server and Authenticate:", "/mcp"),
            ),
        ),
        Guide(
            "codex",
            "Codex",
            (
                Step("Add the server:", f"codex mcp add {label} --url {mcp_url}"),
                Step("Sign in:", f"codex mcp login {label}"),
            ),
        ),
        Guide(
            "cursor",
            "Cursor",
            (
                Step(
                    "Put this into ~/.cursor/mcp.json:", _build_config("mcpServers", label, {"url": mcp_url})
                ),
                Step("In Settings, open MCP and choose Needs login beside the server."),
            ),
        ),
        Guide(
            "vscode",
            "VS Code",
            (
                Step(
                    "Add the server:",
                    "code --add-mcp '"
                    + json.dumps({"name": label, "type": "http", "url": mcp_url}, separators=(",", ":"))
                    + "'",
                ),
                Step("Start it with MCP: List Servers in the command palette, and allow the sign-in."),
            ),
        ),
        Guide(
            "gemini-cli",
            "Gemini CLI",
            (
                Step("Add the server:", f"gemini mcp add --transport http {label} {mcp_url}"),
                Step("In a session, sign in:", f"/mcp auth {label}"),
            ),
        ),
        Guide(
            "inspector",
            "MCP Inspector",
            (
                Step("Start it:", "npx @modelcontextprotocol/inspector"),
                Step("Choose Streamable HTTP as the transport and paste this as the URL:", mcp_url),
                Step("Choose Connect, then sign in and approve."),
            ),
        ),
    ]


def _build_config(root: str, label: str, entry: dict[str, str]) -> str:
    return json.dumps({root: {label: entry}}, indent=2)
