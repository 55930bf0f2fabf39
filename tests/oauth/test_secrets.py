"""Opaque secrets, their digests, and the sealing of a successor."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.base64url import decode, encode
from omnitornado.oauth.secrets import (
    ACCESS_PREFIX,
    REFRESH_PREFIX,
    Successor,
    build_refresh_token,
    build_secret,
    build_successor,
    digest,
    is_same_secret,
    parse_refresh_token,
    seal,
)

from .world import PROPERTY

GRANT_ID = bytes(range(16))


def test_a_secret_has_256_random_bits_and_a_prefix() -> None:
    """Required by RFC 6749 §10.10: not guessable. The prefix is our choice: scanners find what leaked."""
    asked: list[int] = []

    def token_bytes(size: int) -> bytes:
        asked.append(size)
        return b"\xff" * size

    secret = build_secret(ACCESS_PREFIX, token_bytes=token_bytes)
    assert asked == [32]
    assert secret == "omt_at_" + "_" * 42 + "8"
    assert len({build_secret(ACCESS_PREFIX) for _ in range(100)}) == 100


def test_what_is_kept_is_a_digest() -> None:
    """Required by RFC 9700 §4.14 in spirit; our choice: SHA-256, which is enough for 256 random bits."""
    assert digest("omt_at_x") == hashlib.sha256(b"omt_at_x").digest()
    assert is_same_secret("omt_at_x", digest("omt_at_x"))
    assert not is_same_secret("omt_at_y", digest("omt_at_x"))
    assert not is_same_secret("\ud800", digest("omt_at_x"))


def test_a_refresh_token_names_its_grant() -> None:
    """Our choice: an old one is recognised without being kept."""
    token = build_refresh_token(GRANT_ID)
    assert parse_refresh_token(token) == GRANT_ID
    assert build_refresh_token(GRANT_ID) != token


GOOD = build_refresh_token(GRANT_ID)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        REFRESH_PREFIX,
        GOOD[:-1],
        GOOD + "A",
        GOOD + "=",
        GOOD.replace("omt_rt_", "omt_at_"),
        GOOD.replace("omt_rt_", "OMT_RT_"),
        " " + GOOD,
        GOOD + "\n",
        GOOD[:20] + "+" + GOOD[21:],
        GOOD[:20] + "é" + GOOD[21:],
        REFRESH_PREFIX + encode(b"x" * 47),
        REFRESH_PREFIX + encode(b"x" * 49),
    ],
)
def test_nothing_else_names_a_grant(token: str) -> None:
    """Our choice: one spelling for each token."""
    assert parse_refresh_token(token) is None


TOKENS = st.binary(min_size=48, max_size=48).map(lambda raw: REFRESH_PREFIX + encode(raw))


SECRETS = st.binary(min_size=32, max_size=32)


@PROPERTY
@given(refresh=SECRETS, access=SECRETS, under=TOKENS, other=TOKENS)
def test_only_the_token_before_it_opens_a_sealed_successor(
    refresh: bytes, access: bytes, under: str, other: str
) -> None:
    """Our choice: the disk alone gives no token away."""
    successor = Successor(refresh, access)
    sealed = seal(successor, under=under)
    assert seal(sealed, under=under) == successor
    assert len(sealed.refresh) == len(sealed.access) == 32
    assert refresh != sealed.refresh
    assert access != sealed.access
    if other != under:
        opened = seal(sealed, under=other)
        assert opened.refresh != refresh
        assert opened.access != access


def test_no_byte_of_the_pad_is_used_twice() -> None:
    """Our choice: what seals one half says nothing of what seals the other."""
    sealed = seal(Successor(bytes(32), bytes(32)), under=GOOD)
    assert sealed.refresh != sealed.access
    assert len({*sealed.refresh, *sealed.access}) > 40
    assert seal(Successor(bytes(32), bytes(32)), under=GOOD) == sealed


def test_a_successor_is_random_bytes_and_the_tokens_that_are_made_of_them() -> None:
    """Required by RFC 6749 §10.10: 256 random bits each."""
    asked: list[int] = []

    def token_bytes(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    successor = build_successor(token_bytes=token_bytes)
    assert asked == [64]
    refresh_token, access_token = successor.build_tokens(GRANT_ID)
    assert decode(access_token.removeprefix(ACCESS_PREFIX)) == bytes(range(32, 64))
    assert decode(refresh_token.removeprefix(REFRESH_PREFIX)) == GRANT_ID + bytes(range(32))
    assert parse_refresh_token(refresh_token) == GRANT_ID


@PROPERTY
@given(st.binary(max_size=64))
def test_encoding_comes_back(raw: bytes) -> None:
    """Required by RFC 4648 §5, without padding."""
    assert decode(encode(raw)) == raw
    assert "=" not in encode(raw)


@PROPERTY
@given(st.text(max_size=50))
def test_decoding_takes_one_spelling_alone(text: str) -> None:
    """Our choice: otherwise one secret would have many spellings."""
    raw = decode(text)
    assert raw is None or encode(raw) == text
