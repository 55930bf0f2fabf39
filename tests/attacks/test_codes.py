"""Authorization codes that were stolen, replayed or slipped in."""

import pytest
from web.site import Site, build_initialize, read_json
from web.test_token import check_error


@pytest.mark.gen_test
async def test_a_code_is_good_once_and_its_replay_ends_what_it_gave(site: Site) -> None:
    """Required by RFC 6749 §4.1.2."""
    code = await site.obtain_code()
    tokens = read_json(await site.redeem(code))
    check_error(await site.redeem(code), "invalid_grant")
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
