"""Floods of what anybody may ask for."""

import pytest
from web.conftest import StartSite
from web.site import read_json
from web.test_register import PUBLIC, REDIRECT, manage, register


@pytest.mark.gen_test
async def test_one_address_may_register_so_often(start_site: StartSite) -> None:
    """Our choice ([registration] rate_per_minute); RFC 6585 §4."""
    site = await start_site(settings={"registration": {"rate_per_minute": 2}})
    codes = [(await register(site, {"redirect_uris": [REDIRECT]})).code for _ in range(3)]
    assert codes == [201, 201, 429]
    response = await register(site, {"redirect_uris": [REDIRECT]})
    assert (response.headers["Retry-After"], read_json(response)["error"]) == (
        "30",
        "temporarily_unavailable",
    )
    site.clock.advance(30)
    assert (await register(site, {"redirect_uris": [REDIRECT]})).code == 201


@pytest.mark.gen_test
async def test_over_the_cap_the_oldest_that_nobody_allowed_in_goes(start_site: StartSite) -> None:
    """Our choice ([registration] max_unused): one with a grant stays."""
    site = await start_site(settings={"registration": {"max_unused": 2}})
    used = read_json(
        await register(
            site, {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"}
        )
    )
    code = await site.obtain_code(client_id=used["client_id"], redirect_uri=REDIRECT)
    await site.redeem(code, client_id=used["client_id"], client_secret=used["client_secret"])
    later = []
    for _ in range(3):
        site.clock.advance(1)
        later.append(read_json(await register(site, {"redirect_uris": [REDIRECT]}))["client_id"])
    known = []
    for client_id in (used["client_id"], *later):
        url = site.build_authorize_url(client_id=client_id, redirect_uri=REDIRECT)
        known.append((await site.anyone.get(url)).code == 302)
    assert known == [True, False, True, True]


@pytest.mark.gen_test
async def test_updates_count_as_registrations(start_site: StartSite) -> None:
    """Our choice ([registration] rate_per_minute): each is a line in the journal."""
    site = await start_site(settings={"registration": {"rate_per_minute": 2}})
    registered = read_json(await register(site, PUBLIC))
    changed = PUBLIC | {"client_id": registered["client_id"]}
    registered = read_json(await manage(site, "PUT", registered, changed))
    assert (await manage(site, "PUT", registered, changed)).code == 429
    assert (await manage(site, "GET", registered)).code == 200
