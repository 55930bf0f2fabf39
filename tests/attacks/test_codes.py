"""Authorization codes that were stolen, replayed or slipped in."""

import asyncio

import pytest
from web.browser import Browser
from web.site import CALLBACK, CHALLENGE, SECRET, VERIFIER, Site, build_initialize, read_json, read_query
from web.test_token import check_error

NATIVE = "http://127.0.0.1:4711/callback"


@pytest.mark.gen_test
async def test_a_code_is_good_once_and_its_replay_ends_what_it_gave(site: Site) -> None:
    """Required by RFC 6749 §4.1.2."""
    code = await site.obtain_code()
    tokens = read_json(await site.redeem(code))
    check_error(await site.redeem(code), "invalid_grant")
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401


@pytest.mark.gen_test
async def test_a_race_for_a_code_leaves_nobody_with_a_token(site: Site) -> None:
    """Required by RFC 6749 §4.1.2: of ten requests at once one is answered with tokens, and those are void,
    for nobody knows whose it was.
    """
    code = await site.obtain_code()
    answers = await asyncio.gather(*(site.redeem(code) for _ in range(10)))
    assert sorted(answer.code for answer in answers) == [200] + [400] * 9
    tokens = next(read_json(answer) for answer in answers if answer.code == 200)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    check_error(await site.post_token(fields), "invalid_grant")


THIEVES: dict[str, tuple[dict[str, str], str]] = {
    "another client": ({"client_id": "unbound", "client_secret": SECRET}, "invalid_grant"),
    "a public client": ({"client_id": "native", "client_secret": ""}, "invalid_grant"),
    "no secret": ({"client_secret": ""}, "invalid_client"),
    "a wrong secret": ({"client_secret": "wrong"}, "invalid_client"),
    "no verifier": ({"code_verifier": ""}, "invalid_request"),
    "another verifier": ({"code_verifier": "w" * 43}, "invalid_grant"),
    "the challenge for a verifier": ({"code_verifier": CHALLENGE}, "invalid_grant"),
    "another redirect": ({"redirect_uri": "https://evil.example/callback"}, "invalid_grant"),
    "another resource": ({"resource": "https://evil.example/mcp"}, "invalid_target"),
    "another grant": ({"grant_type": "refresh_token", "refresh_token": "CODE"}, "invalid_grant"),
}


@pytest.mark.gen_test
@pytest.mark.parametrize("thief", list(THIEVES))
async def test_who_stole_a_code_can_not_use_it_nor_spoil_it(site: Site, thief: str) -> None:
    """Required by RFC 6749 §4.1.3 and RFC 7636 §4.6: bound to its client, its verifier and its address."""
    code = await site.obtain_code()
    changed, error = THIEVES[thief]
    fields = {name: code if value == "CODE" else value for name, value in changed.items()}
    answer = await site.redeem(code, **fields)
    assert (answer.code, read_json(answer)["error"]) in [(400, error), (401, error)], answer.body
    assert (await site.redeem(code)).code == 200


DOWNGRADES: list[dict[str, str | None]] = [
    {"code_challenge": None},
    {"code_challenge": None, "code_challenge_method": None},
    {"code_challenge": ""},
    {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
    {"code_challenge": VERIFIER, "code_challenge_method": None},
    {"code_challenge_method": "s256"},
    {"code_challenge_method": "S256 plain"},
    {"code_challenge": CHALLENGE + "="},
    {"code_challenge": CHALLENGE[:-1]},
]


@pytest.mark.gen_test
@pytest.mark.parametrize("change", DOWNGRADES)
@pytest.mark.parametrize("client", ["preset", "native"])
async def test_pkce_can_not_be_left_out_or_weakened(
    site: Site, browser: Browser, client: str, change: dict[str, str | None]
) -> None:
    """Required by RFC 9700 §4.8.2 and OAuth 2.1 §7.6: for confidential clients as well."""
    await browser.sign_in()
    redirect = CALLBACK if client == "preset" else NATIVE
    url = site.build_authorize_url(client_id=client, redirect_uri=redirect, **change)
    answer = await browser.get(url)
    assert answer.headers["Location"].startswith(redirect + "?")
    facts = read_query(answer.headers["Location"])
    assert (facts["error"], "code" in facts) == ("invalid_request", False)


@pytest.mark.gen_test
async def test_a_code_of_another_session_does_not_fit_the_victims_verifier(site: Site) -> None:
    """Required by RFC 9700 §4.5.3.1 (code injection): the attacker's code in the victim's browser gives the
    victim's client nothing, for its verifier is another.
    """
    stolen = await site.obtain_code()
    victims = {"code_verifier": "z" * 64}
    check_error(await site.redeem(stolen, **victims), "invalid_grant")


@pytest.mark.gen_test
async def test_a_code_is_no_token(site: Site) -> None:
    """Our choice: what travels through a browser's address bar opens nothing by itself."""
    code = await site.obtain_code()
    assert (await site.call(code, build_initialize())).code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": code}
    check_error(await site.post_token(fields), "invalid_grant")
    await site.post_token({"token": code}, path="/revoke")
    assert (await site.redeem(code)).code == 200


@pytest.mark.gen_test
async def test_a_code_that_was_found_later_is_worth_nothing(site: Site) -> None:
    """Required by RFC 6749 §4.1.2 and RFC 9700 §4.3: in a history or a log, after its minute."""
    code = await site.obtain_code()
    site.clock.advance(60)
    check_error(await site.redeem(code), "invalid_grant")
