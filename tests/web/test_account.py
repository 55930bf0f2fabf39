"""`/account`: which apps are connected, and an end to each."""

from typing import Any

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.transitions import StoreUnavailable

from .browser import Browser, Form, find_forms
from .site import CALLBACK, Site, build_initialize, read_json


async def find_disconnect(browser: Browser) -> list[Form]:
    return [f for f in find_forms(await browser.get("/account")) if "public_id" in f.fields]


@pytest.mark.gen_test
async def test_a_stranger_is_sent_to_the_login_and_back(site: Site, browser: Browser) -> None:
    """Our choice."""
    response = await browser.get("/account")
    assert (response.code, response.headers["Location"]) == (302, "/login?next=%2Faccount")


@pytest.mark.gen_test
async def test_people_see_what_is_connected_since_when_and_last_used(site: Site, browser: Browser) -> None:
    """Our choice, as users of such servers ask for."""
    tokens = await site.obtain_tokens(browser)
    site.clock.advance(3 * 3600)
    renewed = read_json(
        await site.post_token({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    )
    await site.call(renewed["access_token"], build_initialize())
    page = (await browser.get("/account")).body.decode()
    for fact in (
        "Preset app",
        "app.example",
        "mcp",
        "15 January 2027, 08:00 UTC",
        "15 January 2027, 11:00 UTC",
    ):
        assert fact in page
    other = site.open_browser()
    await other.sign_in("bob")
    assert b"Preset app" not in (await other.get("/account")).body


@pytest.mark.gen_test
async def test_disconnecting_works_on_the_next_request_and_forgets_the_consent(
    site: Site, browser: Browser
) -> None:
    """Our choice: one record ends everything a person gave to a client."""
    tokens = await site.obtain_tokens(browser)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    assert (await browser.get(site.build_authorize_url())).headers["Location"].startswith(CALLBACK)
    (form,) = await find_disconnect(browser)
    answer = await browser.submit(form)
    assert b"The app is disconnected." in answer.body
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
    refreshed = await site.post_token(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    )
    assert read_json(refreshed)["error"] == "invalid_grant"
    assert (await browser.get(site.build_authorize_url())).code == 200
    assert b"not connected any more" in (await browser.submit(form)).body


@pytest.mark.gen_test
async def test_a_code_from_before_disconnecting_lets_nobody_in_after_it(site: Site, browser: Browser) -> None:
    """Our choice: what was approved until then is taken back, redeemed or not."""
    await site.obtain_tokens(browser)
    code = await site.obtain_code(browser)
    (form,) = await find_disconnect(browser)
    assert b"The app is disconnected." in (await browser.submit(form)).body
    redeemed = await site.redeem(code)
    assert (redeemed.code, read_json(redeemed)["error"]) == (400, "invalid_grant")
    assert await find_disconnect(browser) == []


@pytest.mark.gen_test
async def test_where_the_store_takes_nothing_more_an_app_is_connected_or_not_never_half(
    site: Site, browser: Browser
) -> None:
    """Our choice: a consent that outlived its grant would let a preset app in again, unasked."""
    tokens = await site.obtain_tokens(browser)
    (form,) = await find_disconnect(browser)
    store = site.server.authorization_server.store
    assert isinstance(store, EmbeddedStore)
    commit, taken = store._commit, 0

    async def commit_once(answer: Any, changes: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken > 1:
            raise StoreUnavailable("the disk is full")
        return await commit(answer, changes)

    store._commit = commit_once  # type: ignore[method-assign]
    await browser.submit(form)
    store._commit = commit  # type: ignore[method-assign]
    assert taken == 1
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
    assert (await browser.get(site.build_authorize_url())).code == 200


@pytest.mark.gen_test
async def test_a_session_that_has_ended_signs_in_first(site: Site, browser: Browser) -> None:
    """Our choice."""
    await site.obtain_tokens(browser)
    (form,) = await find_disconnect(browser)
    site.clock.advance(12 * 3600)
    answer = await browser.submit(form)
    assert (answer.code, answer.headers["Location"]) == (303, "/login?next=%2Faccount")
