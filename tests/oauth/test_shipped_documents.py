"""The copies of well-known clients' documents that come with the server."""

import pytest

from omnitornado.oauth.client import DocumentSource
from omnitornado.oauth.client_document import parse_document
from omnitornado.oauth.shipped_documents import find_imitated, find_shipped


@pytest.mark.parametrize(
    ("url", "name", "redirects"),
    [
        (
            "https://chatgpt.com/oauth/client.json",
            "ChatGPT",
            ["https://chatgpt.com/connector_platform_oauth_redirect"],
        ),
        (
            "https://chatgpt.com/oauth/abc-DEF_1/client.json",
            "ChatGPT",
            ["https://chatgpt.com/connector/oauth/abc-DEF_1"],
        ),
        (
            "https://chatgpt.com/oauth/codex/client.json",
            "Codex",
            ["http://127.0.0.1:54321/callback", "http://localhost:1/callback"],
        ),
        (
            "https://chatgpt.com/oauth/codex/a1b2/client.json",
            "Codex",
            ["http://127.0.0.1:54321/callback/a1b2"],
        ),
        (
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "Claude",
            ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        ),
        (
            "https://claude.ai/oauth/claude-code-client-metadata",
            "Claude Code",
            ["http://localhost:3118/callback", "http://127.0.0.1:3118/callback"],
        ),
        (
            "https://cursor.com/oauth/mcp-client.json",
            "Cursor",
            [
                "http://localhost:8787/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "cursor://anysphere.cursor-mcp/oauth/callback",
            ],
        ),
        (
            "https://vscode.dev/oauth/client-metadata.json",
            "Visual Studio Code",
            ["http://127.0.0.1:33418/", "http://127.0.0.1:50000/", "https://vscode.dev/redirect"],
        ),
    ],
)
def test_each_well_known_client_can_be_answered_where_it_asks_to_be(
    url: str, name: str, redirects: list[str]
) -> None:
    """Our choice: their own addresses, on loopback with any port, and `none` always among the methods."""
    document = find_shipped(url)
    assert document is not None
    client = parse_document(url, document, DocumentSource.SHIPPED)
    assert (client.client_name, client.is_verified) == (name, False)
    assert "none" in client.auth_methods
    assert {"authorization_code", "refresh_token"} <= set(client.grant_types)
    for redirect in redirects:
        assert client.find_redirect(redirect) is not None, redirect
    assert client.find_redirect("https://attacker.example/callback") is None


@pytest.mark.parametrize(
    "url",
    [
        "https://chatgpt.com.attacker.example/oauth/client.json",
        "https://attacker.example/oauth/client.json",
        "https://chatgpt.com/oauth/a/b/client.json",
        "https://chatgpt.com/oauth//client.json",
        "https://chatgpt.com/oauth/a%2Fb/client.json",
        "https://chatgpt.com/oauth/codex/../client.json",
        "https://chatgpt.com/oauth/codex/a/b/client.json",
        "https://chatgpt.com/oauth/client.json?x",
        "https://chatgpt.com/oauth/client.json\n",
        "https://claude.ai/oauth/claude-code-client-metadata/",
    ],
)
def test_no_other_address_is_one_of_them(url: str) -> None:
    """Our choice: the exact addresses, and what stands in a pattern stays within it."""
    assert find_shipped(url) is None


@pytest.mark.parametrize(
    ("name", "host", "imitated"),
    [
        ("Claude", "claude.ai", None),
        ("Claude Code", "claude.ai", None),
        ("Cursor", "www.cursor.com", None),
        ("An app", "attacker.example", None),
        ("Claudette", "attacker.example", None),
        ("Claude", "attacker.example", "claude.ai"),
        ("Claude", "claude.ai.attacker.example", "claude.ai"),
        ("Claude", "notclaude.ai", "claude.ai"),
        ("The real CLAUDE-code!", "attacker.example", "claude.ai"),
        ("Ｃｌａｕｄｅ", "attacker.example", "claude.ai"),
        ("ChatGPT", "claude.ai", "chatgpt.com"),
        ("OpenAI Codex", "attacker.example", "chatgpt.com"),
        ("VS  Code", "attacker.example", "vscode.dev"),
        ("Visual Studio Code", "vscode.dev", None),
        ("Cl\u0430ude", "attacker.example", "claude.ai"),
        ("CIaude", "attacker.example", "claude.ai"),
        ("C1aude Code", "attacker.example", "claude.ai"),
        ("Cl\u0430u\u0501\u0435", "attacker.example", "claude.ai"),
        ("Çläüdé", "attacker.example", "claude.ai"),
        ("\u0421\u04af\u0433s\u043er", "attacker.example", None),
        ("\u0421u\u0433s\u043er", "attacker.example", "cursor.com"),
        ("0penAI", "attacker.example", "chatgpt.com"),
        ("VSC\u043ede", "attacker.example", "vscode.dev"),
        ("Cursor", "claude.com", "cursor.com"),
        ("Claude", "claude.com", None),
    ],
)
def test_a_name_that_sounds_like_one_of_them_gives_its_host(
    name: str, host: str, imitated: str | None
) -> None:
    """Our choice: a hint for the person at the consent page."""
    assert find_imitated(name, host) == imitated
