"""The discovery documents, at every address clients look for."""

import json
from typing import Any

import pytest

from .conftest import StartSite
from .site import Site, read_json
from .wire import build_request, exchange

SERVER_PATHS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/oauth-authorization-server/mcp/",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
    "/mcp/.well-known/oauth-authorization-server",
]
RESOURCE_PATHS = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
    "/mcp/.well-known/oauth-protected-resource",
]


@pytest.mark.gen_test
async def test_the_server_is_described_at_every_address_in_the_same_words(site: Site) -> None:
    """Required by RFC 8414 §3 and MCP 2026-07-28 (Authorization Server Metadata Discovery)."""
    documents = [read_json(await site.fetch(path)) for path in SERVER_PATHS]
    assert all(document == documents[0] for document in documents)
    document = documents[0]
    assert document["issuer"] == site.url
    for name, path in (
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
        ("revocation_endpoint", "/revoke"),
    ):
        assert document[name] == site.url + path
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["response_types_supported"] == ["code"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert {"mcp", "admin"} <= set(document["scopes_supported"])


@pytest.mark.gen_test
async def test_the_resource_is_described_as_people_paste_it_with_the_fewest_scopes(site: Site) -> None:
    """Required by RFC 9728 §3."""
    for path in RESOURCE_PATHS:
        document = read_json(await site.fetch(path))
        assert document["resource"] == site.mcp_url
        assert document["authorization_servers"] == [site.url]
        assert document["scopes_supported"] == ["mcp"]
        assert document["bearer_methods_supported"] == ["header"]


@pytest.mark.gen_test
async def test_a_path_that_is_not_protected_has_no_document(site: Site) -> None:
    """Required by RFC 8414 §3 and RFC 9728 §3; an OAuth error as at every OAuth endpoint."""
    for path in (
        "/.well-known/oauth-authorization-server/other",
        "/.well-known/openid-configuration/mcp/x",
        "/other/.well-known/openid-configuration",
        "/other/.well-known/oauth-authorization-server",
        "/other/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource//mcp",
        "/.well-known/oauth-protected-resource/MCP",
    ):
        response = await site.fetch(path)
        assert response.code == 404, path
        assert read_json(response)["error"] == "invalid_request"
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.gen_test
async def test_any_web_page_may_read_the_documents(site: Site) -> None:
    """Required by clients in browsers (Fetch §3.2): nothing here rests on a cookie."""
    for path in (*SERVER_PATHS, *RESOURCE_PATHS, "/.well-known/oauth-protected-resource/other"):
        response = await site.fetch(path, headers={"Origin": "https://page.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.gen_test
async def test_a_preflight_is_granted(site: Site) -> None:
    """Required by Fetch §3.2.3: clients in browsers send MCP-Protocol-Version with discovery."""
    for path in (*SERVER_PATHS, *RESOURCE_PATHS):
        headers = {
            "Origin": "https://page.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "mcp-protocol-version",
        }
        response = await site.fetch(path, method="OPTIONS", headers=headers)
        assert response.code == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Headers"] == "mcp-protocol-version"
        assert "GET" in response.headers["Access-Control-Allow-Methods"]


LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


async def fetch_as(site: Site, path: str, host: str) -> dict[str, Any]:
    answer = await exchange(site.port, build_request(f"GET {path}", site.port, headers={"Host": host}))
    assert answer.status == 200, answer.raw
    document: dict[str, Any] = json.loads(answer.body)
    return document


@pytest.mark.gen_test
@pytest.mark.parametrize("name", [*LOOPBACK, "LocalHost"])
async def test_on_loopback_the_documents_use_the_name_the_client_asked_for(site: Site, name: str) -> None:
    """Our choice ([server] public_url): the three names are one server."""
    url = f"http://{name.lower()}:{site.port}"
    document = await fetch_as(site, SERVER_PATHS[0], f"{name}:{site.port}")
    assert (document["issuer"], document["token_endpoint"]) == (url, url + "/token")
    document = await fetch_as(site, RESOURCE_PATHS[2], f"{name}:{site.port}")
    assert (document["resource"], document["authorization_servers"]) == (url + "/mcp", [url])


@pytest.mark.gen_test
async def test_a_host_without_a_port_means_the_default_port(site: Site) -> None:
    """Required by RFC 9110 §4.2.1; with a forwarded port that is what the client sees."""
    assert (await fetch_as(site, SERVER_PATHS[0], "localhost"))["issuer"] == "http://localhost"
    assert (await fetch_as(site, SERVER_PATHS[0], "[::1]:80"))["issuer"] == "http://[::1]"


@pytest.mark.gen_test
@pytest.mark.parametrize("host", ["mcp.example", "evil.example", "127.0.0.1:1", "[::1]", "localhost"])
async def test_a_public_url_is_the_issuer_whatever_host_says(start_site: StartSite, host: str) -> None:
    """Required by RFC 8414 §3.3: the issuer is one."""
    site = await start_site(public_url="https://mcp.example")
    assert (await fetch_as(site, SERVER_PATHS[0], host))["issuer"] == "https://mcp.example"
    document = await fetch_as(site, RESOURCE_PATHS[0], host)
    assert document["resource"] == "https://mcp.example/mcp"


@pytest.mark.gen_test
async def test_registration_that_is_off_is_not_advertised(start_site: StartSite) -> None:
    """Required by RFC 8414 §2."""
    site = await start_site(settings={"registration": {"enabled": False}})
    assert "registration_endpoint" not in read_json(await site.fetch(SERVER_PATHS[0]))
