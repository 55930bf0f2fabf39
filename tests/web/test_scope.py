"""Scopes on the wire: a hierarchy, defaults, and stepping up."""

from typing import Any

import pytest

from omnitornado.app import AuthorizationServer
from omnitornado.oauth.client import build_preset
from omnitornado.oauth.people import Person

from .browser import find_forms
from .conftest import StartSite
from .site import Site, build_stateless, read_json

RESET = build_stateless("tools/call", {"name": "reset"})
SCOPES: list[dict[str, Any]] = [
    {"scope": "everything", "description": "Use and administer everything", "implies": ["admin", "mcp"]},
    {"scope": "profile:read", "description": "See who you are", "default": True},
]


async def start(start_site: StartSite, **options: Any) -> Site:
    return await start_site(settings={"scopes": SCOPES} | options)


async def reset(site: Site, tokens: dict[str, Any]) -> int:
    message, headers = RESET
    return (await site.call(tokens["access_token"], message, **headers)).code


@pytest.mark.gen_test
async def test_a_broader_scope_is_enough_for_what_it_implies(start_site: StartSite) -> None:
    """Required by MCP 2026-07-28 (scope hierarchies). The answer names all of it (RFC 6749 §5.1)."""
    site = await start(start_site)
    browser = site.open_browser()
    page = await browser.open_consent(site.build_authorize_url(scope="everything", prompt="consent"))
    for words in (b"Use and administer everything", b"Use test", b"reset"):
        assert words in page.body
    tokens = await site.obtain_tokens(browser, scope="everything")
    assert tokens["scope"] == "everything admin mcp"
    assert await reset(site, tokens) == 200
    narrowed = await site.post_token(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "scope": "mcp"}
    )
    assert read_json(narrowed)["scope"] == "mcp"
    assert await reset(site, read_json(narrowed)) == 403


def test_who_may_have_a_scope_may_have_what_it_implies() -> None:
    """Our choice: for a person's scopes, and for a preset client's, as for those that are asked for."""
    auth = AuthorizationServer(
        issuer="https://auth.example",
        people=[Person("ada", scopes=("write",)), Person("bob", scopes=("read",)), Person("eve")],
        clients=[build_preset(client_id="app", client_secret="s", scope=["write"])],
        store=None,
        scopes={"write": "Change files"},
        implied_scopes={"write": ["read"]},
    )
    assert [person.scopes for person in auth.services.people.listed] == [("write", "read"), ("read",), None]
    assert auth.services.clients.presets[0].scope == ("write", "read")
    assert auth.services.scopes.descriptions == {"write": "Change files", "read": ""}
    auth.protect("/api", scope=["read"], description="Read files")
    assert auth.services.scopes.descriptions["read"] == "Read files"


@pytest.mark.gen_test
async def test_a_client_that_names_no_scope_gets_the_defaults_too(start_site: StartSite) -> None:
    """Our choice ([[scopes]] default); RFC 6749 §3.3."""
    site = await start(start_site)
    assert (await site.obtain_tokens())["scope"] == "profile:read mcp"
    assert (await site.obtain_tokens(scope="mcp"))["scope"] == "mcp"


@pytest.mark.gen_test
async def test_stepping_up_shows_what_is_new_and_keeps_what_was_granted(site: Site) -> None:
    """Required by MCP 2026-07-28 (Step-Up Authorization Flow): the challenge names all that the call needs,
    and one more authorization is enough.
    """
    browser = site.open_browser()
    tokens = await site.obtain_tokens(browser)
    message, headers = RESET
    response = await site.call(tokens["access_token"], message, **headers)
    assert response.code == 403
    assert 'scope="admin mcp"' in response.headers["WWW-Authenticate"]
    page = await browser.get(site.build_authorize_url(scope="admin mcp"))
    assert page.code == 200
    assert page.body.count(b'class="badge new"') == 1
    text = page.body.decode()
    assert text.index("<code>admin</code>") < text.index('class="badge new"') < text.index("<code>mcp</code>")
    answer = await browser.submit(find_forms(page)[0], action="approve")
    assert answer.code == 303
    tokens = await site.obtain_tokens(browser, scope="admin mcp")
    assert await reset(site, tokens) == 200
    first = await site.open_browser().open_consent(site.build_authorize_url(scope="admin"), "bob")
    assert b'class="badge new"' not in first.body


@pytest.mark.gen_test
async def test_offline_access_is_taken_and_never_told_of(site: Site) -> None:
    """Required by MCP 2026-07-28 (Refresh Tokens): no resource needs it, so neither the challenge nor the
    resource's metadata names it. A client that can refresh gets a refresh token with it and without.
    """
    for scope in (None, "mcp offline_access", "offline_access"):
        tokens = await site.obtain_tokens(scope=scope)
        assert tokens["scope"] == "mcp"
        fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        response = await site.post_token(fields | {"scope": "mcp offline_access"})
        assert read_json(response)["scope"] == "mcp"
    response = await site.call(None, {})
    assert "offline_access" not in response.headers["WWW-Authenticate"]
    for path in ("oauth-protected-resource", "oauth-authorization-server"):
        assert b"offline_access" not in (await site.fetch(f"/.well-known/{path}")).body
