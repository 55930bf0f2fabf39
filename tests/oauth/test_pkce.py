"""PKCE: S256 and nothing else."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.pkce import check_challenge, check_verifier

from .world import CHALLENGE, PROPERTY, REDIRECT, VERIFIER, refused


def test_the_example_of_the_rfc_fits() -> None:
    """Required by RFC 7636 appendix B."""
    assert check_challenge(CHALLENGE, "S256", redirect=REDIRECT) == CHALLENGE
    check_verifier(VERIFIER, CHALLENGE)


@pytest.mark.parametrize("method", ["S256", "plain", None])
def test_an_absent_challenge_is_refused_and_the_client_told(method: str | None) -> None:
    """Required by OAuth 2.1 §7.5.1 and RFC 7636 §4.4.1."""
    with refused("invalid_request", "pkce_missing", to_client=True):
        check_challenge(None, method, redirect=REDIRECT)


@pytest.mark.parametrize("method", ["plain", None, "s256", "S512", "S256 ", "none"])
def test_any_other_method_is_refused(method: str | None) -> None:
    """Required by OAuth 2.1 §7.5.2: S256. An absent method means `plain` (RFC 7636 §4.3)."""
    for challenge in (CHALLENGE, VERIFIER):
        with refused("invalid_request", "pkce_plain", to_client=True):
            check_challenge(challenge, method, redirect=REDIRECT)


@pytest.mark.parametrize(
    "challenge",
    [
        "x",
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE + "=",
        CHALLENGE[:-1] + "+",
        CHALLENGE[:-1] + "é",
        "é" * 43,
        CHALLENGE + "\n",
        " " + CHALLENGE,
        CHALLENGE[:-1] + "~",
    ],
)
def test_a_challenge_that_no_hash_can_be_is_refused(challenge: str) -> None:
    """Required by RFC 7636 §4.2: the base64url of 32 bytes, without padding."""
    with refused("invalid_request", "pkce_malformed", to_client=True):
        check_challenge(challenge, "S256", redirect=REDIRECT)


def test_an_absent_verifier_is_refused() -> None:
    """Required by RFC 7636 §4.5: a challenge was given, so a verifier is needed (no downgrade)."""
    with refused("invalid_request", "pkce_verifier_missing"):
        check_verifier(None, CHALLENGE)


@pytest.mark.parametrize(
    "verifier", ["x", "a" * 42, "a" * 129, VERIFIER + "=", VERIFIER + " ", "é" * 43, "a" * 42 + "\n"]
)
def test_a_malformed_verifier_is_refused(verifier: str) -> None:
    """Required by RFC 7636 §4.1: 43 to 128 unreserved characters."""
    with refused("invalid_grant", "pkce_verifier_malformed"):
        check_verifier(verifier, CHALLENGE)


@pytest.mark.parametrize(
    "verifier", ["a" * 43, VERIFIER[:-1] + "l", VERIFIER.swapcase(), CHALLENGE, VERIFIER + "a"]
)
def test_another_verifier_is_refused(verifier: str) -> None:
    """Required by RFC 7636 §4.6: invalid_grant. The challenge itself does not fit either (`plain`)."""
    with refused("invalid_grant", "pkce_mismatch"):
        check_verifier(verifier, CHALLENGE)


@PROPERTY
@given(st.text(alphabet="abcXYZ019-._~", min_size=43, max_size=128))
def test_every_verifier_fits_its_challenge(verifier: str) -> None:
    """Required by RFC 7636 §4.2 and §4.6."""
    raw = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert check_challenge(challenge, "S256", redirect=REDIRECT) == challenge
    check_verifier(verifier, challenge)
