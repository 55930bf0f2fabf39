"""`/introspect`: a resource server asks what a token is good for."""

from typing import Any

import pytest

from omnitornado.config import ConfigError

from .conftest import StartSite
from .site import SECRET, Site, build_initialize, read_json

FILES = "https://files.example/mcp"
SERVERS = [
    {"server_id": "mcp", "server_secret": "mcp-secret", "resources": ["/mcp"]},
    {
        "server_id": "files",
        "server_secret": "files-secret",
        "resources": [FILES],
        "scope": "files",
        "name": "Files",
    },
]


async def start(start_site: StartSite) -> Site:
    return await start_site(settings={"resource_servers": SERVERS})


async def ask(site: Site, token: str, server: str = "mcp", **fields: str) -> dict[str, Any]:
    sent = {"token": token, "client_id": server, "client_secret": f"{server}-secret"} | fields
    response = await site.open_browser().post("/introspect", sent)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
    return read_json(response)


@pytest.mark.gen_test
async def test_a_resource_server_learns_of_tokens_for_itself_alone(start_site: StartSite) -> None:
    """Required by RFC 7662 §2.2 and §4."""
    site = await start(start_site)
    tokens = await site.obtain_tokens()
    body = await ask(site, tokens["access_token"])
    assert (body["active"], body["username"], body["client_id"]) == (True, "ada", "preset")
    assert (body["aud"], body["scope"], body["iss"]) == (site.mcp_url, "mcp", site.url)
    assert await ask(site, tokens["access_token"], "files") == {"active": False}
    assert await ask(site, tokens["refresh_token"]) == {"active": False}
    await site.post_token({"token": tokens["access_token"]}, path="/revoke")
    assert await ask(site, tokens["access_token"]) == {"active": False}


@pytest.mark.gen_test
async def test_a_token_for_a_server_elsewhere_is_good_there_and_not_here(start_site: StartSite) -> None:
    """Required by RFC 8707 §2: whatever is asked for, a token is for the servers that were named."""
    site = await start(start_site)
    browser = site.open_browser()
    page = await browser.open_consent(site.build_authorize_url(resource=FILES, prompt="consent"))
    assert FILES.encode() in page.body
    assert b"Use Files" in page.body
    tokens = await site.obtain_tokens(browser, resource=FILES)
    assert tokens["scope"] == "files"
    assert (await ask(site, tokens["access_token"], "files"))["aud"] == FILES
    assert await ask(site, tokens["access_token"], "mcp") == {"active": False}
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401


@pytest.mark.gen_test
async def test_who_does_not_ask_for_a_server_elsewhere_gets_no_token_for_it(start_site: StartSite) -> None:
    """Our choice: a request without `resource` means this server."""
    site = await start(start_site)
    tokens = await site.obtain_tokens()
    assert await ask(site, tokens["access_token"], "files") == {"active": False}
    response = await site.redeem(await site.obtain_code(resource=site.mcp_url), resource=FILES)
    assert (response.code, read_json(response)["error"]) == (400, "invalid_target")


@pytest.mark.gen_test
async def test_nobody_else_is_told(start_site: StartSite) -> None:
    """Required by RFC 7662 §2.1; RFC 6749 §5.2 (the challenge)."""
    site = await start(start_site)
    token = (await site.obtain_tokens())["access_token"]
    for fields in (
        {"client_id": "preset", "client_secret": SECRET},
        {"client_id": "mcp", "client_secret": "files-secret"},
        {"client_id": "mcp"},
        {},
    ):
        response = await site.open_browser().post("/introspect", {"token": token} | fields)
        assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
    response = await site.fetch("/introspect", method="POST", headers=headers, body=f"token={token}")
    assert response.code == 401


@pytest.mark.gen_test
async def test_a_resource_server_is_no_client(start_site: StartSite) -> None:
    """Our choice: its credentials open /introspect and nothing else."""
    site = await start(start_site)
    for path in ("/token", "/revoke"):
        fields = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
        response = await site.post_token(
            fields | {"client_id": "mcp", "client_secret": "mcp-secret"}, path=path
        )
        assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
    page = await site.anyone.get(site.build_authorize_url(client_id="mcp"))
    assert page.code == 400


@pytest.mark.gen_test
async def test_the_endpoint_is_advertised_where_somebody_may_ask(start_site: StartSite, site: Site) -> None:
    """Required by RFC 8414 §2."""
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert not [name for name in metadata if name.startswith("introspection")]
    response = await site.open_browser().post("/introspect", {"token": "x"})
    assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
    other = await start(start_site)
    metadata = read_json(await other.fetch("/.well-known/oauth-authorization-server"))
    assert metadata["introspection_endpoint"] == other.url + "/introspect"
    assert metadata["introspection_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
    ]
    assert metadata["protected_resources"] == [other.mcp_url, FILES]
    document = read_json(await other.fetch("/.well-known/oauth-protected-resource"))
    assert document["resource"] == other.mcp_url


@pytest.mark.gen_test
async def test_a_resource_server_for_a_path_that_is_not_served_is_refused(start_site: StartSite) -> None:
    """Our choice: a typing error must not leave it without any token it can see."""
    servers = [{"server_id": "x", "server_secret": "12345678", "resources": ["/other"]}]
    with pytest.raises(ConfigError, match="nothing is served at /other"):
        await start_site(settings={"resource_servers": servers})
