"""Our choice: copies of the documents of well-known clients, for when their own addresses can't be asked.

What stands here is what each vendor's document said of its redirects and methods when this version was made.
A fetched document always counts more; where its redirects differ, that is logged.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

BOTH: Final = ("authorization_code", "refresh_token")
CHATGPT: Final = re.compile(r"https://chatgpt\.com/oauth/(?P<id>[A-Za-z0-9_-]{1,128})/client\.json")
"""One for each connection, where the server does not say that it sends `iss`."""
CODEX: Final = re.compile(r"https://chatgpt\.com/oauth/codex/(?P<id>[A-Za-z0-9_-]{1,128})/client\.json")

_OPENAI: Final = ("chatgpt.com", "openai.com")
_ANTHROPIC: Final = ("claude.ai", "claude.com", "anthropic.com")
_CURSOR: Final = ("cursor.com",)
_VSCODE: Final = ("vscode.dev", "visualstudio.com")

HOSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "chatgpt": _OPENAI,
    "openai": _OPENAI,
    "codex": _OPENAI,
    "claude": _ANTHROPIC,
    "anthropic": _ANTHROPIC,
    "cursor": _CURSOR,
    "visual studio code": _VSCODE,
    "vs code": _VSCODE,
    "vscode": _VSCODE,
}
"""Words in a client's name that a person will take for one of these, and the hosts it then has."""

ALIKE: Final = str.maketrans(
    {
        letter: shown
        for shown, letters in {
            "a": "аɑα", "c": "сϲᴄ", "d": "ԁɗ", "e": "еɛєε", "g": "ցɡ", "h": "һհ", "l": "iіıιjlӏǀ|1!",
            "m": "мʍ", "n": "ոп", "o": "оοօσө0", "p": "рρ", "r": "гᴦ", "s": "ѕꜱ", "t": "тτ",
            "u": "υսµц", "v": "ѵν", "x": "хχ×", "y": "уүγ",
        }.items()
        for letter in letters
    }
)  # fmt: skip
"""Letters and digits by the one they are easily taken for, in lower case. The commonest alone."""


def find_shipped(url: str) -> dict[str, Any] | None:
    """The copy of the document at this address; None where none came along."""
    return _FIXED.get(url) or _find_by_pattern(url)


def find_imitated(name: str, host: str) -> str | None:
    """The host of the well-known client that a name looks like, where it comes from another host; None where
    there is nothing wrong with it. A hint for a person, and no more.
    """
    words = " ".join(re.findall(r"[a-z]+", _build_skeleton(name)))
    for word, known in HOSTS.items():
        if re.search(rf"\b{_build_skeleton(word)}\b", words):
            return None if any(host == one or host.endswith("." + one) for one in known) else known[0]
    return None


def _build_skeleton(name: str) -> str:
    """What names that look alike have in common: no marks on letters, and one letter for all like it."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in plain if not unicodedata.combining(c)).translate(ALIKE)


def _find_by_pattern(url: str) -> dict[str, Any] | None:
    codex = CODEX.fullmatch(url)
    if codex is not None:
        hosts = ("127.0.0.1", "localhost")
        return _build(url, "Codex", *(f"http://{host}/callback/{codex['id']}" for host in hosts))
    chatgpt = CHATGPT.fullmatch(url)
    if chatgpt is not None:
        return _build_chatgpt(url, f"https://chatgpt.com/connector/oauth/{chatgpt['id']}")
    return None


def _build(url: str, name: str, *redirect_uris: str, grants: tuple[str, ...] = BOTH) -> dict[str, Any]:
    return {
        "client_id": url,
        "client_name": name,
        "redirect_uris": list(redirect_uris),
        "grant_types": list(grants),
        "token_endpoint_auth_method": "none",
    }


def _build_chatgpt(url: str, redirect_uri: str) -> dict[str, Any]:
    """It signs where the server takes that, and is content with `none`."""
    return _build(url, "ChatGPT", redirect_uri) | {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
    }


_FIXED: Final[Mapping[str, dict[str, Any]]] = {
    document["client_id"]: document
    for document in (
        _build_chatgpt(
            "https://chatgpt.com/oauth/client.json", "https://chatgpt.com/connector_platform_oauth_redirect"
        ),
        _build(
            "https://chatgpt.com/oauth/codex/client.json",
            "Codex",
            "http://127.0.0.1/callback",
            "http://localhost/callback",
        ),
        _build(
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "Claude",
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ),
        _build(
            "https://claude.ai/oauth/claude-code-client-metadata",
            "Claude Code",
            "http://localhost/callback",
            "http://127.0.0.1/callback",
        ),
        _build(
            "https://cursor.com/oauth/mcp-client.json",
            "Cursor",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "https://www.cursor.com/bot/mcp/oauth/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "http://localhost:8787/callback",
            "http://127.0.0.1:8787/callback",
        ),
        _build(
            "https://vscode.dev/oauth/client-metadata.json",
            "Visual Studio Code",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
        ),
    )
}
