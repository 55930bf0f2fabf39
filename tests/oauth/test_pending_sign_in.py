"""What waits in a browser's cookie while the person is at the provider."""

import pytest

from omnitornado.oauth.pending_sign_in import (
    MAX_SEALED,
    PendingSignIn,
    TooLongError,
    build_pending,
    find_cookie_suffix,
    open_pending,
    seal_pending,
)

KEY = b"k" * 32
NOW = 1_800_000_000.0


def build(target: str = "/account") -> PendingSignIn:
    return build_pending(
        issuer="https://id.example.com", redirect_uri="https://mcp.example.com/cb", target=target, now=NOW
    )


def test_it_opens_for_its_own_state_with_the_servers_key() -> None:
    """Required by RFC 9700 §4.7.1, OpenID Connect Core §3.1.2.1 (state and nonce bound to the browser)."""
    one, two = build("/authorize?state=%20x"), build()
    sealed = seal_pending(one, KEY)
    assert open_pending(sealed, one.state, KEY) == one
    assert open_pending(sealed, two.state, KEY) is None
    assert open_pending(sealed, one.state, b"x" * 32) is None
    assert open_pending(None, one.state, KEY) is None
    assert one.expires_at == NOW + 600


def test_what_was_changed_in_it_does_not_open() -> None:
    """Required by RFC 9700 §4.7.1: neither its page nor its time can be chosen by who holds it."""
    pending = build()
    sealed = seal_pending(pending, KEY)
    for place in range(0, len(sealed), 7):
        other = "A" if sealed[place] != "A" else "B"
        assert open_pending(sealed[:place] + other + sealed[place + 1 :], pending.state, KEY) is None
    for wrong in ("", "A", sealed[:-1], sealed + "A", "é", "A" * (MAX_SEALED + 1)):
        assert open_pending(wrong, pending.state, KEY) is None


def test_it_fits_into_a_cookie_or_says_so() -> None:
    """Required by RFC 6265 §6.1 (4096 bytes): a long request is no sign-in that fails on the way back."""
    usual = "/authorize?" + "&".join(f"parameter{number}=value%20{number}" for number in range(60))
    assert len(seal_pending(build(usual), KEY)) <= MAX_SEALED
    with pytest.raises(TooLongError):
        seal_pending(build("/authorize?state=" + "".join(str(number) for number in range(5000))), KEY)


def test_the_cookie_is_found_by_the_state_alone() -> None:
    """Our choice: several tabs of one browser may sign in at the same time."""
    state = build().state
    assert find_cookie_suffix(state) == state[:8]
    for wrong in (None, "", "x", state + "x", state[:-1] + "é", state[:-1] + ";"):
        assert find_cookie_suffix(wrong) is None
