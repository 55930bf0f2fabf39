"""Who the server says it is, and to whom."""

import pytest

from omnitornado.web.identity import Identity

LOCAL = Identity(public_url="", scheme="http", host="127.0.0.1", port=8080)
PUBLIC = Identity(public_url="https://mcp.example", scheme="http", host="0.0.0.0", port=8080)


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost:08080", "http://localhost:8080"),
        ("localhost:65535", "http://localhost:65535"),
        (None, "http://127.0.0.1:8080"),
        ("localhost:65536", None),
        ("localhost:99999", None),
        ("localhost:", None),
        ("localhost.", None),
        ("evil.example", None),
        ("localhost.evil.example", None),
        ("user@localhost", None),
        ("localhost/", None),
        ("localhost\n", None),
        ("localhost:8080\n", None),
        ("localhost, evil.example", None),
        ("127.0.0.2", None),
        ("127.1", None),
        ("::1", None),
        ("[127.0.0.1]", None),
        ("[::1", None),
        ("[0:0:0:0:0:0:0:1]", None),
        ("[localhost]", None),
        ("lo\u212aalhost", None),
        ("localhost:\u0661", None),
        ("", None),
    ],
)
def test_on_loopback_only_loopback_names_are_answered(host: str | None, issuer: str | None) -> None:
    """Our choice against DNS rebinding: a page whose name was rebound still sends its own name."""
    assert LOCAL.find_issuer(host) == issuer


@pytest.mark.parametrize("host", ["mcp.example", "evil.example", "localhost:1", None, "", "\n"])
def test_a_public_url_is_the_issuer_for_every_host(host: str | None) -> None:
    """Required by RFC 8414 §3.3."""
    assert PUBLIC.find_issuer(host) == "https://mcp.example"


def test_its_own_origin_is_any_loopback_name_on_the_same_port_or_the_public_one() -> None:
    """Required by MCP 2026-07-28 streamable-http (Origin check)."""
    issuer = "http://localhost:8080"
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert LOCAL.is_own_origin(f"http://{name}:8080", issuer)
        assert not LOCAL.is_own_origin(f"http://{name}:8081", issuer)
        assert not LOCAL.is_own_origin(f"https://{name}:8080", issuer)
        assert not LOCAL.is_own_origin(f"http://{name}", issuer)
        assert LOCAL.is_own_origin(f"http://{name}", "http://localhost")
        assert not PUBLIC.is_own_origin(f"http://{name}:8080", "https://mcp.example")
    for origin in ("null", "", "http://evil.example:8080", "https://mcp.example.evil.example"):
        assert not LOCAL.is_own_origin(origin, issuer)
        assert not PUBLIC.is_own_origin(origin, "https://mcp.example")
    assert PUBLIC.is_own_origin("https://mcp.example", "https://mcp.example")


@pytest.mark.parametrize(
    ("identity", "url"),
    [
        (LOCAL, "http://127.0.0.1:8080"),
        (Identity(public_url="", scheme="http", host="::1", port=80), "http://[::1]"),
        (Identity(public_url="", scheme="https", host="localhost", port=443), "https://localhost"),
        (PUBLIC, "http://127.0.0.1:8080"),
        (Identity(public_url="https://a.example", scheme="http", host="::", port=1), "http://127.0.0.1:1"),
    ],
)
def test_the_local_url_reaches_it_from_this_computer(identity: Identity, url: str) -> None:
    """Our choice: what the banner prints."""
    assert identity.local_url == url
    assert identity.issuer == (identity.public_url or url)


def test_a_trusted_proxy_says_by_which_scheme_it_was_asked() -> None:
    """Our choice: [server] trusted_proxies. A public_url stands above it."""
    assert LOCAL.find_issuer("localhost", "https") == "https://localhost"
    assert LOCAL.find_issuer("localhost:8443", "https") == "https://localhost:8443"
    assert PUBLIC.find_issuer("localhost", "http") == "https://mcp.example"
    assert LOCAL.is_own_origin("https://127.0.0.1:8443", "https://localhost:8443")
    assert not LOCAL.is_own_origin("http://127.0.0.1:8443", "https://localhost:8443")
