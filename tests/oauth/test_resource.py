"""Which protected resource an address means."""

import pytest

from omnitornado.oauth.resource import ProtectedResource, check_resources, find_resource

from .world import ELSEWHERE, FILES, FILES_URL, ISSUER, MCP, REDIRECT, refused

LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com/mcp",
        "https://auth.example.com/mcp/",
        "https://AUTH.Example.COM/mcp",
        "HTTPS://auth.example.com/mcp",
        "https://auth.example.com:443/mcp",
    ],
)
def test_the_spellings_of_one_address_are_the_same_resource(url: str) -> None:
    """Required by RFC 3986 §6.2.2 for scheme and host; the final slash is our choice (clients add one)."""
    assert find_resource(url, [MCP, FILES], issuer=ISSUER) == MCP


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com/MCP",
        "https://auth.example.com/mcp/x",
        "https://auth.example.com/mc%70",
        "https://auth.example.com/x/../mcp",
        "https://auth.example.com/./mcp",
        "https://auth.example.com//mcp",
        "https://auth.example.com/mcp?x=1",
        "https://auth.example.com/mcp#x",
        "https://auth.example.com/mcp#",
        "https://auth.example.com/mcp;x",
        "https://auth.example.com/other",
        "https://user@auth.example.com/mcp",
        "https://auth.example.com@evil.com/mcp",
        "https://auth.example.com.evil.com/mcp",
        "https://evil.com/mcp",
        "http://auth.example.com/mcp",
        "https://auth.example.com:444/mcp",
        "https://auth.example.com:0/mcp",
        "https://auth.example.com:x/mcp",
        "https://[auth.example.com/mcp",
        "//auth.example.com/mcp",
        "/mcp",
        "mcp",
        "",
    ],
)
def test_any_other_address_is_none_of_ours(url: str) -> None:
    """Required by RFC 8707 §2: an absolute URI, without a fragment; anything unknown is no resource."""
    assert find_resource(url, [MCP, FILES], issuer=ISSUER) is None
    with refused("invalid_target", "resource_unknown", to_client=True):
        check_resources([ISSUER + "/mcp", url], [MCP, FILES], issuer=ISSUER, redirect=REDIRECT)


def test_a_resource_elsewhere_is_known_by_its_whole_address() -> None:
    """Required by RFC 8707 §2: a token may be for another server that this one issues tokens for."""
    resources = [MCP, ELSEWHERE]
    for url in (FILES_URL, FILES_URL + "/", "HTTPS://Files.Example.com:443/mcp"):
        assert find_resource(url, resources, issuer=ISSUER) == ELSEWHERE
    for url in (
        "https://files.example.com",
        "https://files.example.com/mcp/x",
        "http://files.example.com/mcp",
    ):
        assert find_resource(url, resources, issuer=ISSUER) is None
    assert find_resource(ISSUER, resources, issuer=ISSUER) == MCP
    assert ELSEWHERE.build_url(ISSUER) == FILES_URL


def test_a_token_is_for_another_server_only_where_that_was_asked_for() -> None:
    """Our choice: a client that names no resource means this server."""
    assert check_resources([], [MCP, ELSEWHERE], issuer=ISSUER) == ("/mcp",)
    assert check_resources([FILES_URL], [MCP, ELSEWHERE], issuer=ISSUER) == (FILES_URL,)


def test_the_origin_stands_for_the_only_endpoint() -> None:
    """Our choice: clients cut the path off. With more than one it would not be clear which."""
    for url in (ISSUER, ISSUER + "/"):
        assert find_resource(url, [MCP], issuer=ISSUER) == MCP
        assert find_resource(url, [MCP, FILES], issuer=ISSUER) is None


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_on_loopback_three_names_are_the_same_server(name: str) -> None:
    """Our choice ([server] public_url)."""
    for issuer in (LOCAL, "http://localhost:8080", "http://[::1]:8080"):
        assert find_resource(f"http://{name}:8080/mcp", [MCP], issuer=issuer) == MCP
        assert find_resource(f"http://{name}:8081/mcp", [MCP], issuer=issuer) is None
        assert find_resource(f"https://{name}:8080/mcp", [MCP], issuer=issuer) is None


def test_a_public_server_is_not_its_loopback_name() -> None:
    """Required by RFC 8707 §2: the resource is the public one."""
    assert find_resource("https://localhost/mcp", [MCP], issuer=ISSUER) is None
    assert find_resource("https://auth.example.com:8080/mcp", [MCP], issuer=LOCAL) is None


def test_no_resource_means_this_server() -> None:
    """Required by RFC 8707 §2 (it leaves the default to the server): older clients send none."""
    assert check_resources([], [MCP, FILES], issuer=ISSUER) == ("/mcp", "/files/mcp")


def test_several_resources_are_kept_in_order_and_once() -> None:
    """Required by RFC 8707 §2."""
    urls = [ISSUER + "/files/mcp", ISSUER + "/mcp", ISSUER + "/mcp/"]
    assert check_resources(urls, [MCP, FILES], issuer=ISSUER) == ("/files/mcp", "/mcp")


def test_a_resource_has_its_address_and_its_metadata_address() -> None:
    """Required by RFC 9728 §3.1: the well-known part goes between host and path."""
    resource = ProtectedResource(path="/files/mcp", name="files", scope=())
    assert resource.build_url(ISSUER) == "https://auth.example.com/files/mcp"
    assert resource.build_metadata_url(ISSUER) == (
        "https://auth.example.com/.well-known/oauth-protected-resource/files/mcp"
    )
