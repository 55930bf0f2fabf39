"""Clients that are known by a document of their own, at a real server, with a real site to fetch it from."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from net.https_site import HttpsSite, build_answer, open_site
from oauth.keys import make_key, publish, sign
from tornado.ioloop import IOLoop

from omnitornado.net.guarded_fetch import GuardedFetch
from omnitornado.oauth.client_assertion import ASSERTION_TYPE
from omnitornado.oauth.fetch_limits import PER_ASKER

from .conftest import QuietLog, StartSite
from .site import CALLBACK, VERIFIER, Clock, Site, build_initialize, read_json, read_query

LOOPBACK = "http://127.0.0.1/callback"


@pytest.fixture
def app_site(io_loop: IOLoop) -> Iterator[HttpsSite]:
    """Where apps publish what they are."""
    opened = open_site()
    yield io_loop.run_sync(opened.__aenter__)
    io_loop.run_sync(lambda: opened.__aexit__(None, None, None))


def publish_client(app_site: HttpsSite, *, path: str = "/client.json", **changed: Any) -> str:
    """A document with nothing wrong unless `changed` brings it in; gives the client's id."""
    url = app_site.build_url(path)
    members = {
        "client_id": url,
        "client_name": "Document app",
        "redirect_uris": [CALLBACK, LOOPBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    return app_site.publish(path, members | changed, Cache_Control="max-age=600")


async def start(start_site: StartSite, app_site: HttpsSite, **options: Any) -> Site:
    return await start_site(fetch=app_site.build_fetch().fetch, **options)


async def redeem(site: Site, code: str, client_id: str, **fields: str) -> Any:
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "client_id": client_id,
    }
    return await site.open_browser().post("/token", sent | fields)


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_a_stranger_at_the_token_endpoint_uses_up_only_their_own_fetches(
    start_site: StartSite, app_site: HttpsSite, path: str
) -> None:
    """Our choice: each address has so many fetches a minute wherever it comes in, and nobody another's."""
    settings = {"server": {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}}
    site = await start(start_site, app_site, settings=settings)

    async def ask(client_id: str, address: str) -> Any:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
        body = f"client_id={client_id}&token=x&grant_type=refresh_token&refresh_token=x"
        return await site.fetch(path, method="POST", body=body, headers=headers)

    for number in range(PER_ASKER):
        await ask(app_site.build_url(f"/{number}"), "198.51.100.7")
    asked = len(app_site.asked)
    assert asked == PER_ASKER
    client_id = publish_client(app_site)
    assert (await ask(client_id, "198.51.100.7")).code == 503
    assert len(app_site.asked) == asked
    await ask(client_id, "192.0.2.1")
    assert len(app_site.asked) == asked + 1


def read_text(body: bytes) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", body.decode()).split())


@pytest.mark.gen_test
async def test_an_app_nobody_registered_goes_the_whole_way(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 (Client ID Metadata Documents); one fetch serves it all."""
    site = await start(start_site, app_site)
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert metadata["client_id_metadata_document_supported"] is True
    client_id = publish_client(app_site)
    browser = site.open_browser()
    code = await site.obtain_code(browser, client_id=client_id)
    tokens = read_json(await redeem(site, code, client_id))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": client_id,
    }
    assert (await site.open_browser().post("/token", refresh)).code == 200
    assert len(app_site.asked) == 1
    account = read_text((await browser.get("/account")).body)
    assert "Document app" in account
    assert "Published by client.example" in account


@pytest.mark.gen_test
async def test_each_sign_in_is_asked_for_and_is_a_grant_of_its_own(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Required by MCP 2026-07-28 (localhost redirect URI risks): one document serves many devices."""
    site = await start(start_site, app_site)
    client_id = publish_client(app_site)
    browser = site.open_browser()
    url = site.build_authorize_url(client_id=client_id)
    found = []
    for _ in range(2):
        location = await browser.approve(url)
        found.append(read_json(await redeem(site, read_query(location)["code"], client_id)))
    revoke = {"token": found[0]["refresh_token"], "client_id": client_id}
    assert (await site.open_browser().post("/revoke", revoke)).code == 200
    assert (await site.call(found[0]["access_token"], build_initialize())).code == 401
    assert (await site.call(found[1]["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_the_consent_page_says_who_stands_for_the_app(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Required by MCP 2026-07-28 (Client ID Metadata Document security)."""
    site = await start(start_site, app_site)
    client_id = publish_client(app_site, client_name="Claude")
    page = await site.open_browser().open_consent(site.build_authorize_url(client_id=client_id))
    text = read_text(page.body)
    assert "Published by client.example Verified" in text
    assert (
        "By its name this could be an app of claude.ai . It is not: it is published by client.example" in text
    )
    assert "pose as its app" not in text
    loopback = site.build_authorize_url(client_id=client_id, redirect_uri="http://127.0.0.1:5000/callback")
    text = read_text((await site.open_browser().open_consent(loopback)).body)
    assert "client.example can't tell who asks: any program on this computer could pose as its app" in text


@pytest.mark.gen_test
async def test_a_well_known_app_whose_site_is_down_is_let_in_but_not_as_verified(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Our choice: by the copy that came along, which says so on the page."""
    site = await start(start_site, app_site)
    redirect = "https://chatgpt.com/connector_platform_oauth_redirect"
    url = site.build_authorize_url(client_id="https://chatgpt.com/oauth/client.json", redirect_uri=redirect)
    page = await site.open_browser().open_consent(url)
    text = read_text(page.body)
    assert page.code == 200
    assert "Published by chatgpt.com Not asked this time" in text
    assert "Verified" not in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"client_id": "https://victim.example/client.json"}, "client_id is not the address"),
        ({"client_secret": "x"}, "client_secret"),
        ({"redirect_uris": []}, "no redirect_uris"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "authenticate by none of"),
    ],
)
@pytest.mark.gen_test
async def test_a_document_that_is_not_good_is_a_page_that_says_why(
    start_site: StartSite, app_site: HttpsSite, changed: dict[str, Any], message: str
) -> None:
    """Required by OAuth Client ID Metadata Document §4.3: the request ends; nothing goes to the client."""
    site = await start(start_site, app_site)
    response = await site.fetch(site.build_authorize_url(client_id=publish_client(app_site, **changed)))
    assert (response.code, "Location" in response.headers) == (400, False)
    assert message in read_text(response.body)
    assert "nothing was given to the app" in read_text(response.body)


@pytest.mark.gen_test
async def test_an_address_of_a_redirect_that_is_not_the_apps_is_a_page(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Required by OAuth Client ID Metadata Document §4.5: exact, but for a loopback port."""
    site = await start(start_site, app_site)
    client_id = publish_client(app_site)
    for redirect in (
        CALLBACK + "/",
        CALLBACK + "?x",
        "https://attacker.example/",
        "http://localhost/callback",
    ):
        response = await site.fetch(site.build_authorize_url(client_id=client_id, redirect_uri=redirect))
        assert (response.code, "Location" in response.headers) == (400, False)


@pytest.mark.gen_test
async def test_nobody_can_pose_as_an_app_that_signs(
    start_site: StartSite, app_site: HttpsSite, clock: Clock
) -> None:
    """Required by OAuth Client ID Metadata Document §6.2: by its id alone, or with another's key."""
    site = await start(start_site, app_site)
    key = make_key()
    app_site.publish("/jwks.json", publish(key, kid="1"))
    client_id = publish_client(
        app_site,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=app_site.build_url("/jwks.json"),
    )
    code = await site.obtain_code(client_id=client_id)

    def sign_in(**changed: Any) -> dict[str, str]:
        claims = {"iss": client_id, "sub": client_id, "aud": site.url, "exp": clock() + 60, "jti": "1"}
        signed = sign(claims, kid="1", **changed)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}

    assert (await redeem(site, code, client_id)).code == 401
    assert (await redeem(site, code, client_id, client_secret="x")).code == 401
    assert (await redeem(site, code, client_id, **sign_in(key=make_key("ES256", "two")))).code == 401
    tokens = read_json(await redeem(site, code, client_id, **sign_in()))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    assert (await redeem(site, code, client_id, **sign_in())).code == 401


@pytest.mark.parametrize("inside", ["/jwks.json", "/client.json"])
@pytest.mark.gen_test
async def test_no_address_leads_this_server_inside(
    start_site: StartSite, app_site: HttpsSite, inside: str
) -> None:
    """Required by OAuth Client ID Metadata Document §6.5: the document's address, and those that it names."""
    forbidden: list[str] = []

    def is_allowed(address: str) -> bool:
        # As in production this machine is none. For the keys, the document before them is let through.
        forbidden.append(address)
        return inside == "/jwks.json" and len(forbidden) == 1

    site = await start_site(fetch=app_site.build_fetch(is_allowed=is_allowed).fetch)
    client_id = publish_client(
        app_site,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=app_site.build_url("/jwks.json"),
    )
    if inside == "/client.json":
        response = await site.fetch(site.build_authorize_url(client_id=client_id))
        assert response.code == 400
        assert "address that is not public" in read_text(response.body)
        assert app_site.accepted == 0
        return
    code = await site.obtain_code(client_id=client_id)
    claims = {"iss": client_id, "sub": client_id, "aud": site.url, "exp": site.clock() + 60}
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": sign(claims)}
    assert (await redeem(site, code, client_id, **assertion)).code == 503
    assert [asked.path for asked in app_site.asked] == ["/client.json"]


@pytest.mark.parametrize(
    "client_id",
    [
        "https://localhost/client.json",
        "https://127.0.0.1/client.json",
        "https://2130706433/client.json",
        "https://0x7f.1/client.json",
        "https://[::1]/client.json",
        "https://[::ffff:127.0.0.1]/client.json",
        "https://user@localhost/client.json",
        "https://app.example/../client.json",
        "https://app.example",
    ],
)
@pytest.mark.gen_test
async def test_the_server_as_it_is_asks_nobody_inside(start_site: StartSite, client_id: str) -> None:
    """Required by OAuth Client ID Metadata Document §3 and §6.5: with nothing injected."""
    site = await start_site(fetch=GuardedFetch().fetch)
    for path in ("/authorize", "/token"):
        if path == "/authorize":
            response = await site.fetch(site.build_authorize_url(client_id=client_id))
            assert response.code == 400
        else:
            sent = {"grant_type": "authorization_code", "code": "x", "client_id": client_id}
            response = await site.open_browser().post("/token", sent)
            assert response.code in (401, 503)
            assert set(read_json(response)) == {"error", "error_description"}


@pytest.mark.gen_test
async def test_one_address_has_no_more_documents_fetched_than_so_many(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Our choice: thirty a minute, and others go on."""
    site = await start(start_site, app_site)
    for number in range(40):
        response = await site.fetch(
            site.build_authorize_url(client_id=app_site.build_url(f"/made-up/{number}"))
        )
        assert response.code == 400
    assert len(app_site.asked) == 30
    site.clock.advance(60)
    assert (await site.fetch(site.build_authorize_url(client_id=publish_client(app_site)))).code == 302


@pytest.mark.parametrize("mode", ["off", "known"])
@pytest.mark.gen_test
async def test_the_operator_can_have_nobody_asked(
    start_site: StartSite, app_site: HttpsSite, mode: str
) -> None:
    """Our choice ([client_documents] mode)."""
    site = await start(start_site, app_site, settings={"client_documents": {"mode": mode}})
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert ("client_id_metadata_document_supported" in metadata) is (mode == "known")
    assert (await site.fetch(site.build_authorize_url(client_id=publish_client(app_site)))).code == 400
    claude = "https://claude.ai/oauth/claude-code-client-metadata"
    url = site.build_authorize_url(client_id=claude, redirect_uri="http://localhost:3118/callback")
    assert (await site.fetch(url)).code == (302 if mode == "known" else 400)
    assert app_site.asked == []


@pytest.mark.gen_test
async def test_what_a_document_says_never_becomes_part_of_the_page(
    start_site: StartSite, app_site: HttpsSite
) -> None:
    """Our choice: XSS through every member that is shown, and through the address itself."""
    site = await start(start_site, app_site)
    attack = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    client_id = publish_client(
        app_site,
        path="/a'b/client.json",
        client_name=attack,
        client_uri="https://client.example/'onmouseover='alert(1)",
        logo_uri="https://client.example/logo.png",
        redirect_uris=["https://app.example/callback?x='y'"],
    )
    url = site.build_authorize_url(client_id=client_id, redirect_uri="https://app.example/callback?x='y'")
    page = (await site.open_browser().open_consent(url)).body.decode()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "logo.png" not in page
    assert "'onmouseover" not in page


@pytest.mark.gen_test
async def test_a_site_without_a_good_certificate_stands_for_nobody(
    start_site: StartSite, app_site: HttpsSite, quiet_log: QuietLog
) -> None:
    """Required by RFC 9110 §4.3.4: a document that anyone on the way could have written proves nothing."""
    quiet_log.expect("SSL Error")
    site = await start(start_site, app_site)
    publish_client(app_site)
    client_id = app_site.build_url("/client.json", "victim.example")
    app_site.publish("/client.json", {"client_id": client_id, "redirect_uris": [CALLBACK]})
    response = await site.fetch(site.build_authorize_url(client_id=client_id))
    assert response.code == 400
    assert "by TLS" in read_text(response.body)
    assert app_site.asked == []


@pytest.mark.gen_test
async def test_a_redirect_of_the_document_is_not_followed(start_site: StartSite, app_site: HttpsSite) -> None:
    """Required by OAuth Client ID Metadata Document §4: nor does its target stand for the address."""
    site = await start(start_site, app_site)
    client_id = app_site.build_url("/moved.json")
    target = app_site.publish("/client.json", {"client_id": client_id, "redirect_uris": [CALLBACK]})
    app_site.pages["/moved.json"] = build_answer(b"", status="302 Found", Location=target)
    assert (await site.fetch(site.build_authorize_url(client_id=client_id))).code == 400
    assert [asked.path for asked in app_site.asked] == ["/moved.json"]
