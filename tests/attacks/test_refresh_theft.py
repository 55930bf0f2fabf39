"""Refresh tokens that somebody else has got hold of."""

import asyncio
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from web.site import SECRET, Site, build_initialize, read_json
from web.test_token import check_error

GRACE = 31.0
"""Seconds after which a retry is no retry any more."""


async def refresh(site: Site, tokens: dict[str, Any], **fields: str) -> HTTPResponse:
    return await site.post_token(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]} | fields
    )


async def is_open(site: Site, tokens: dict[str, Any]) -> bool:
    return (await site.call(tokens["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_who_comes_second_ends_it_for_both(site: Site) -> None:
    """Required by RFC 9700 §4.14.2 and OAuth 2.1 §4.3.1: one of the two is the thief, and nobody can tell
    which, so neither keeps anything.
    """
    stolen = await site.obtain_tokens()
    taken = read_json(await refresh(site, stolen))
    assert await is_open(site, taken)
    site.clock.advance(GRACE)
    later = read_json(await refresh(site, taken))
    check_error(await refresh(site, stolen), "invalid_grant")
    for tokens in (stolen, taken, later):
        assert not await is_open(site, tokens)
        check_error(await refresh(site, tokens), "invalid_grant")


@pytest.mark.gen_test
async def test_a_race_for_a_refresh_token_has_one_successor(site: Site) -> None:
    """Required by OAuth 2.1 §4.3.1: ten requests at once never split one grant into two lines."""
    tokens = await site.obtain_tokens()
    answers = await asyncio.gather(*(refresh(site, tokens) for _ in range(10)))
    assert {answer.code for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_id": "unbound"}, "invalid_grant"),
        ({"client_id": "native", "client_secret": ""}, "invalid_grant"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_secret": SECRET + "x"}, "invalid_client"),
    ],
)
async def test_another_client_can_not_refresh_nor_end_it(
    site: Site, fields: dict[str, str], error: str
) -> None:
    """Required by RFC 6749 §6 and §10.4: bound to its client; and a stranger's try takes nothing from it."""
    tokens = await site.obtain_tokens()
    assert read_json(await refresh(site, tokens, **fields))["error"] == error
    assert await is_open(site, tokens)
    assert (await refresh(site, tokens)).code == 200


@pytest.mark.gen_test
async def test_a_refresh_token_opens_nothing_by_itself(site: Site) -> None:
    """Required by RFC 6749 §1.5: it is for the authorization server alone."""
    tokens = await site.obtain_tokens()
    assert (await site.call(tokens["refresh_token"], build_initialize())).code == 401
    check_error(await refresh(site, {"refresh_token": tokens["access_token"]}), "invalid_grant")
    check_error(await site.redeem(tokens["refresh_token"]), "invalid_grant")


@pytest.mark.gen_test
async def test_a_forged_token_ends_nothing_of_anyone(site: Site) -> None:
    """Required by RFC 6749 §10.10: 256 random bits, and no part of a real one helps to make another."""
    tokens = await site.obtain_tokens()
    real = tokens["refresh_token"]
    for forged in (real[:-1], real + "A", real.lower(), real.upper(), real.replace("omt_rt_", "omt_at_")):
        check_error(await refresh(site, {"refresh_token": forged}), "invalid_grant")
    assert await is_open(site, tokens)
