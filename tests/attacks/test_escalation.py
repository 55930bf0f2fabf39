"""More scopes, or other servers, than the person allowed."""

import msgspec
import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import Site, build_initialize, build_stateless, read_json, read_query
from web.test_token import check_error

WIDER = ["mcp admin", "admin", "mcp  admin", " admin mcp", "mcp admin openid"]


async def may_reset(site: Site, token: str) -> bool:
    """Whether the tool that needs more than the endpoint's scope runs."""
    message, headers = build_stateless("tools/call", {"name": "reset", "arguments": {}})
    return (await site.call(token, message, **headers)).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize("scope", WIDER)
async def test_a_refresh_gives_no_more_than_was_granted(site: Site, scope: str) -> None:
    """Required by RFC 6749 §6: refused, and the token stays good for what it was."""
    tokens = await site.obtain_tokens(scope="mcp")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    check_error(await site.post_token(fields | {"scope": scope}), "invalid_scope")
    again = read_json(await site.post_token(fields))
    assert again["scope"] == "mcp"
    assert not await may_reset(site, again["access_token"])


@pytest.mark.gen_test
@pytest.mark.parametrize("scope", WIDER)
async def test_a_code_gives_no_more_than_was_granted(site: Site, scope: str) -> None:
    """Required by RFC 6749 §4.1.3 (there is no `scope` in the request): what comes in one changes nothing."""
    response = await site.redeem(await site.obtain_code(scope="mcp"), scope=scope)
    if response.code == 200:
        tokens = read_json(response)
        assert tokens["scope"] == "mcp"
        assert not await may_reset(site, tokens["access_token"])
    else:
        check_error(response, "invalid_scope")


@pytest.mark.gen_test
async def test_a_narrowed_token_does_not_widen_the_grant_again_beyond_what_it_was(site: Site) -> None:
    """Required by RFC 6749 §6: narrowing is for one access token, and never a way to more."""
    tokens = await site.obtain_tokens(scope="mcp admin")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    narrow = read_json(await site.post_token(fields | {"scope": "mcp"}))
    assert not await may_reset(site, narrow["access_token"])
    wide = read_json(await site.post_token(fields | {"refresh_token": narrow["refresh_token"]}))
    assert wide["scope"] == "mcp admin"
    check_error(
        await site.post_token(fields | {"refresh_token": wide["refresh_token"], "scope": "mcp admin root"}),
        "invalid_scope",
    )


@pytest.mark.gen_test
async def test_a_person_gives_no_more_than_they_have_whatever_is_asked(site: Site) -> None:
    """Our choice ([[users]] scopes): neither at the approval, nor at any request after it."""
    people = site.services.people
    people._people = {"ada": msgspec.structs.replace(people.listed[0], scopes=("mcp",))}
    tokens = await site.obtain_tokens(scope="mcp admin")
    assert tokens["scope"] == "mcp"
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    check_error(await site.post_token(fields | {"scope": "mcp admin"}), "invalid_scope")
    assert not await may_reset(site, tokens["access_token"])


@pytest.mark.gen_test
async def test_the_form_approves_what_was_shown_and_nothing_that_is_added_to_it(
    site: Site, browser: Browser
) -> None:
    """Required by RFC 9700 §4.7 in spirit: fields of the form have no say in what is granted."""
    page = await browser.open_consent(site.build_authorize_url(scope="mcp"))
    form = find_forms(page)[0]
    more = {"scope": "mcp admin", "resource": "https://evil.example", "redirect_uri": "https://evil.example"}
    answer = await browser.submit(form, action="approve", **more)
    tokens = read_json(await site.redeem(read_query(answer.headers["Location"])["code"]))
    assert tokens["scope"] == "mcp"


RESOURCES = ["https://evil.example/mcp", "https://evil.example", "/other", "{own}/other", "{own}/mcp/../x"]


@pytest.mark.gen_test
@pytest.mark.parametrize("resource", RESOURCES)
async def test_no_token_is_for_a_server_that_was_not_approved(site: Site, resource: str) -> None:
    """Required by RFC 8707 §2: refused at the approval and at the code; passed over at a refresh, which keeps
    the grant's own.
    """
    asked = resource.format(own=site.url)
    location = (await site.open_browser().get(site.build_authorize_url(resource=asked))).headers["Location"]
    assert read_query(location)["error"] == "invalid_target"
    code = await site.obtain_code()
    check_error(await site.redeem(code, resource=asked), "invalid_target")
    tokens = read_json(await site.redeem(code))
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "resource": asked}
    again = read_json(await site.post_token(fields))
    assert (await site.call(again["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_a_token_for_a_server_elsewhere_opens_nothing_here(start_site: StartSite) -> None:
    """Required by MCP 2026-07-28 (Token Handling), RFC 8707 §2: the audience is checked each time."""
    other = "https://files.example/mcp"
    guard = {"server_id": "guard", "server_secret": "guard-secret", "resources": [other], "scope": "files"}
    site = await start_site(settings={"resource_servers": [guard]})
    tokens = await site.obtain_tokens(resource=other, scope="files")
    response = await site.call(tokens["access_token"], build_initialize())
    assert (response.code, 'error="invalid_token"' in response.headers["WWW-Authenticate"]) == (401, True)
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    again = read_json(await site.post_token(fields | {"resource": site.mcp_url}))
    assert (await site.call(again["access_token"], build_initialize())).code == 401
