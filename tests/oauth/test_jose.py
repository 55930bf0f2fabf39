"""JSON Web Tokens and keys: what is believed, and everything that isn't."""

import asyncio
import hashlib
import hmac
import json
import sys
import warnings
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk

from omnitornado.base64url import decode, encode
from omnitornado.oauth.jose import (
    KEY_TYPES,
    JoseError,
    Token,
    UnknownKeyError,
    check_times,
    parse_key,
    parse_key_set,
    parse_token,
    verify_token,
)

from .keys import ALGORITHMS, forge, make_key, publish, publish_key, sign
from .world import PROPERTY

T = TypeVar("T")
NOW = 1_800_000_000.0
CLAIMS = {"iss": "client", "exp": NOW + 60}


def run(coroutine: Awaitable[T]) -> T:
    async def wrapped() -> T:
        return await coroutine

    return asyncio.run(wrapped())


def verify(compact: str, key_set: object, *, algorithms: tuple[str, ...] = ALGORITHMS) -> Token:
    async def check() -> Token:
        return await verify_token(parse_token(compact, algorithms=algorithms), await parse_key_set(key_set))

    return asyncio.run(check())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_that_its_key_signed_is_believed(algorithm: str) -> None:
    """Required by RFC 7515 §5.2 and RFC 7518 §3.1; EdDSA by RFC 8037 §3.1. No warning is printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        key = make_key(algorithm)
        token = verify(sign(CLAIMS, algorithm=algorithm, kid="1", typ="JWT"), publish(key, kid="1"))
    assert token.claims == CLAIMS
    assert (token.algorithm, token.kid, token.typ) == (algorithm, "1", "jwt")


def test_the_tokens_of_the_specification_are_believed() -> None:
    """Required by RFC 7515 appendix A.3: its own example."""
    key = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    compact = (
        "eyJhbGciOiJFUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q"
    )
    assert verify(compact, {"keys": [key]}).claims["iss"] == "joe"


def test_a_thumbprint_is_the_specifications() -> None:
    """Required by RFC 7638 §3.1: its own example."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n"
        "3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd"
        "AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur"
        "-kEgU8awapJzKnqDKgw"
    )
    key = run(parse_key({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}))
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_of_the_same_kind_is_not_believed(algorithm: str) -> None:
    """Required by RFC 7515 §5.2."""
    with pytest.raises(JoseError, match="signature"):
        verify(sign(CLAIMS, algorithm=algorithm), publish(make_key(algorithm, "two")))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_is_not_believed(part: int) -> None:
    """Required by RFC 7515 §5.2: header, payload and signature hang together."""
    parts = sign(CLAIMS, kid="1").split(".")
    changed = sign(CLAIMS | {"iss": "another"}, key=make_key("ES256", "two"), kid="1", typ="x").split(".")
    parts[part] = changed[part]
    with pytest.raises(JoseError):
        verify(".".join(parts), publish(make_key()))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "ES256K", "RSA1_5", "dir"]
)
def test_no_algorithm_but_the_ones_asked_for_is_taken(algorithm: str) -> None:
    """Required by RFC 8725 §3.1 and §3.2: the token does not choose; `none` least of all."""
    for signature in (b"", b"x"):
        with pytest.raises(JoseError, match="algorithm"):
            verify(forge({"alg": algorithm}, CLAIMS, signature), publish(make_key()))
    with pytest.raises(JoseError, match="algorithm"):
        verify(sign(CLAIMS, algorithm="EdDSA"), publish(make_key("EdDSA")), algorithms=("ES256", "RS256"))


def test_a_public_key_is_no_shared_secret() -> None:
    """Required by RFC 8725 §2.1: the old confusion of HS256 with RS256."""
    key = make_key("RS256")
    pem = key.as_pem(private=False)  # type: ignore[union-attr]
    for secret in (pem, json.dumps(publish_key(key)).encode(), json.dumps(publish_key(key)["n"]).encode()):
        compact = forge({"alg": "HS256"}, CLAIMS)[:-1]
        signature = hmac.new(secret, compact.encode(), hashlib.sha256).digest()
        for algorithms in (ALGORITHMS, (*ALGORITHMS, "HS256")):
            with pytest.raises(JoseError, match="algorithm"):
                verify(f"{compact}.{encode(signature)}", publish(key), algorithms=algorithms)


@pytest.mark.parametrize("signed_by", ALGORITHMS)
@pytest.mark.parametrize("published", ["RS256", "ES256", "ES384", "EdDSA"])
def test_a_key_of_another_type_or_curve_is_never_tried(signed_by: str, published: str) -> None:
    """Required by RFC 8725 §3.1: an algorithm goes with its own kind of key."""
    if KEY_TYPES[signed_by] == KEY_TYPES[published]:
        return
    with pytest.raises(UnknownKeyError):
        verify(sign(CLAIMS, algorithm=signed_by, kid="1"), publish(make_key(published), kid="1"))


def test_a_key_that_names_its_algorithm_is_for_that_one_alone() -> None:
    """Required by RFC 7517 §4.4."""
    key = make_key("RS256")
    for named, algorithm in (("RS256", "RS256"), ("PS256", "PS256")):
        verify(sign(CLAIMS, key=key, algorithm=algorithm), publish(key, alg=named))
    with pytest.raises(UnknownKeyError):
        verify(sign(CLAIMS, key=key, algorithm="PS256"), publish(key, alg="RS256"))
    # RFC 9864 gave EdDSA on this curve a name of its own.
    pair = make_key("EdDSA")
    for named, algorithm in (("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")):
        verify(sign(CLAIMS, key=pair, algorithm=algorithm), publish(pair, alg=named))


def test_kid_chooses_the_key() -> None:
    """Required by RFC 7515 §4.1.4: and where two share a name, the one that fits counts."""
    one, two, three = make_key("ES256", "one"), make_key("ES256", "two"), make_key("EdDSA", "three")
    named = {"keys": [publish_key(one, kid="1"), publish_key(two, kid="2"), publish_key(three, kid="2")]}
    for key, algorithm, kid in ((one, "ES256", "1"), (two, "ES256", "2"), (three, "EdDSA", "2")):
        verify(sign(CLAIMS, key=key, algorithm=algorithm, kid=kid), named)
        verify(sign(CLAIMS, key=key, algorithm=algorithm), named)
    with pytest.raises(JoseError, match="signature"):
        verify(sign(CLAIMS, key=one, kid="2"), named)
    with pytest.raises(UnknownKeyError):
        verify(sign(CLAIMS, key=one, kid="3"), named)
    # A key without a name may be the one.
    verify(sign(CLAIMS, key=one, kid="3"), publish(one))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": publish_key(make_key("ES256", "two"))},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
    ],
)
def test_a_key_that_the_token_brings_along_is_not_taken(header: dict[str, Any]) -> None:
    """Required by RFC 8725 §3.10: whoever forges a token can name a key in it as well."""
    with pytest.raises(JoseError, match="signature"):
        verify(sign(CLAIMS, key=make_key("ES256", "two"), **header), publish(make_key()))
    assert verify(sign(CLAIMS, **header), publish(make_key())).claims == CLAIMS


@pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": False}, {"crit": []}, {"b64": True}])
def test_a_critical_extension_is_refused(header: dict[str, Any]) -> None:
    """Required by RFC 7515 §4.1.11: none is understood."""
    with pytest.raises(JoseError, match="critical"):
        verify(forge({"alg": "ES256"} | header, CLAIMS, b"x" * 64), publish(make_key()))


@pytest.mark.parametrize(
    "compact",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d.e",
        forge({"alg": "ES256"}, CLAIMS) + ".x",
        forge([], CLAIMS),
        forge({"alg": "ES256"}, []),
        forge({"alg": "ES256"}, b"no JSON"),
        forge({"alg": "ES256"}, b"[" * 9000),
        forge({"alg": ["ES256"]}, CLAIMS),
        forge({"alg": None}, CLAIMS),
        forge({}, CLAIMS),
        "=" + forge({"alg": "ES256"}, CLAIMS),
        " " + forge({"alg": "ES256"}, CLAIMS),
        "é" + forge({"alg": "ES256"}, CLAIMS),
        "x" * 20_000,
    ],
)
def test_what_is_no_token_is_refused(compact: str) -> None:
    """Required by RFC 7515 §5.2."""
    with pytest.raises(JoseError):
        parse_token(compact, algorithms=ALGORITHMS)


def test_a_signature_of_the_wrong_size_or_spelling_is_refused() -> None:
    """Required by RFC 7518 §3.4 (64 bytes, not DER) and RFC 7515 §2 (base64url, without padding)."""
    body, _, signature = sign(CLAIMS).rpartition(".")
    raw = decode(signature) or b""
    for wrong in (
        "",
        signature[:-2],
        signature + "AA",
        signature + "=",
        encode(b"0" + raw),
        encode(b"\0" * 64),
    ):
        with pytest.raises(JoseError):
            verify(f"{body}.{wrong}", publish(make_key()))


@PROPERTY
@given(st.text(max_size=80), st.binary(max_size=80))
def test_nothing_but_its_own_error_leaves_the_parser(text: str, raw: bytes) -> None:
    """Our choice: whatever comes in."""
    for compact in (text, forge(raw, raw), forge({"alg": "ES256", "kid": text}, {"exp": text}, raw)):
        try:
            verify(compact, publish(make_key()))
        except JoseError:
            continue
        raise AssertionError(compact)


@pytest.mark.parametrize(
    "jwk_",
    [
        None,
        [],
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": ["RSA"]},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519"},
        publish_key(make_key()) | {"use": "enc"},
        publish_key(make_key()) | {"key_ops": ["encrypt"]},
        publish_key(make_key()) | {"key_ops": 5},
        publish_key(make_key()) | {"alg": ["ES256"]},
        publish_key(make_key()) | {"kid": 5},
        dict(make_key().as_dict(private=True)),
        dict(make_key("RS256").as_dict(private=True)),
    ],
)
def test_a_key_that_can_not_be_used_is_refused(jwk_: object) -> None:
    """Required by RFC 7517 §4; a private key or a secret must never be published (§9.2)."""
    with pytest.raises(JoseError):
        run(parse_key(jwk_))
    with pytest.raises(JoseError):
        run(parse_key_set({"keys": [jwk_]}))


@pytest.mark.parametrize("bits", [1024, 1536, 16384])
def test_an_rsa_key_is_neither_weak_nor_slow(bits: int) -> None:
    """Required by RFC 7518 §3.3: 2048 bits or more. The upper end is our choice."""
    modulus = encode((1 << (bits - 1) | 1).to_bytes(bits // 8, "big"))
    with pytest.raises(JoseError, match="bits"):
        run(parse_key({"kty": "RSA", "n": modulus, "e": "AQAB"}))


@pytest.mark.parametrize("n", [5, None, True, [], {}, "x" * 1000])
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_an_rsa_keys_members_mean_nothing_in_another(algorithm: str, n: object) -> None:
    """Required by RFC 7517 §4: members that a key's type does not know are ignored, whatever they hold."""
    key = make_key(algorithm)
    verify(sign(CLAIMS, key=key, algorithm=algorithm), publish(key, n=n), algorithms=(algorithm,))


@pytest.mark.parametrize("exponent", ["AQ", "AA", "", "_" * 40])
def test_an_rsa_exponent_is_an_ordinary_one(exponent: str) -> None:
    """Our choice: 1 checks nothing, and a huge one takes long."""
    with pytest.raises(JoseError):
        run(parse_key(publish_key(make_key("RS256")) | {"e": exponent}))


def test_a_key_set_is_read_as_far_as_it_can_be() -> None:
    """Required by RFC 7517 §5: keys that are not understood are left out."""
    good = publish_key(make_key())
    others = [{"kty": "AKP", "alg": "ML-DSA-44"}, {"kty": "EC", "crv": "P-521"}, None, good | {"use": "enc"}]
    keys = run(parse_key_set({"keys": [*others, good]}))
    assert [key.jwk for key in keys] == [good]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [{"kty": "AKP"}]},
        {"keys": [publish_key(make_key())] * 33},
        {"keys": [publish_key(make_key()), dict(make_key("ES256", "two").as_dict(private=True))]},
        {"keys": [publish_key(make_key()), {"kty": "oct", "k": "AA"}]},
    ],
)
def test_what_is_no_key_set_is_refused(document: object) -> None:
    """Required by RFC 7517 §5. A set with a private key in it has been given away, and perhaps all of it."""
    with pytest.raises(JoseError):
        run(parse_key_set(document))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "missing"),
        ({"exp": None}, "missing"),
        ({"exp": NOW - 10}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": NOW + 3611}, "away"),
        ({"exp": 1e300}, "number"),
        ({"exp": -1}, "number"),
        ({"exp": str(NOW + 60)}, "number"),
        ({"exp": True}, "number"),
        ({"exp": [NOW]}, "number"),
        ({"exp": NOW + 60, "nbf": NOW + 11}, "nbf"),
        ({"exp": NOW + 60, "nbf": "soon"}, "nbf"),
        ({"exp": NOW + 60, "iat": NOW + 11}, "iat"),
    ],
)
def test_a_token_out_of_its_time_is_refused(claims: dict[str, Any], reason: str) -> None:
    """Required by RFC 7519 §4.1.4 to §4.1.6; that `exp` must be there and near by RFC 7523 §3."""
    with pytest.raises(JoseError, match=reason):
        check_times(claims, now=NOW, leeway=10.0, max_lifetime=3600.0)


def test_a_token_is_taken_within_its_time_and_a_little_more() -> None:
    """Required by RFC 7519 §4.1.4: a few seconds are for clocks that differ. The end is given with them."""
    for claims, ends_at in (
        ({"exp": NOW - 9}, NOW + 1),
        ({"exp": int(NOW) + 60, "nbf": NOW + 10, "iat": NOW + 10}, NOW + 70),
        ({"exp": NOW + 3610}, NOW + 3620),
    ):
        assert check_times(claims, now=NOW, leeway=10.0, max_lifetime=3600.0) == ends_at
    assert check_times({"exp": NOW + 1e6}, now=NOW, leeway=0.0) == NOW + 1e6


def test_a_server_starts_without_the_library() -> None:
    """Our choice: what few requests need is not loaded before the first of them."""
    assert "joserfc" in sys.modules
    source = "import sys, omnitornado.server; assert 'joserfc' not in sys.modules, 'loaded at start'"
    assert run_python(source) == 0


def run_python(source: str) -> int:
    import subprocess

    return subprocess.run([sys.executable, "-c", source]).returncode


def test_the_keys_of_these_tests_differ() -> None:
    """Our choice: the test of the test."""
    assert make_key("ES256", "one") != make_key("ES256", "two")
    assert isinstance(make_key("ES256"), jwk.ECKey)
