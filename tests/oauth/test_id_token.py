"""The ID token: every claim that could be somebody else's, or for somebody else."""

import asyncio
import hashlib
from typing import Any

import pytest

from omnitornado.base64url import encode
from omnitornado.oauth.id_token import check_id_token
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.provider import Failure, OpenIDProvider
from omnitornado.oauth.provider_metadata import parse_metadata

from .keys import ALGORITHMS, forge, make_key, publish, sign
from .openid import CLIENT_ID, CLIENT_SECRET, NOW, PROVIDER, FakeProvider
from .provider_steps import refused

NONCE = "the nonce of this sign-in"


def check(fake: FakeProvider, token: str | None = None, *, access_token: str | None = None) -> dict[str, Any]:
    provider = OpenIDProvider(issuer=PROVIDER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    async def main() -> dict[str, Any]:
        return await check_id_token(
            fake.build_id_token(NONCE) if token is None else token,
            provider=provider,
            metadata=parse_metadata(fake.metadata, provider),
            key_sets=RemoteKeySets(fake),
            nonce=NONCE,
            access_token=access_token,
            now=NOW,
        )

    return asyncio.run(main())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_id_token_that_is_as_it_should_be_is_believed(algorithm: str) -> None:
    """Required by OpenID Connect Core §3.1.3.7, 6. and 7.: signed with an algorithm that the provider
    names.
    """
    assert check(FakeProvider(algorithm=algorithm))["sub"] == "248"


@pytest.mark.parametrize(
    ("claim", "value", "reason"),
    [
        ("iss", "https://evil.example", "id_token_issuer"),
        ("iss", PROVIDER + "/", "id_token_issuer"),
        ("iss", None, "id_token_issuer"),
        ("iss", [PROVIDER], "id_token_issuer"),
        ("aud", "another client", "id_token_audience"),
        ("aud", ["another client"], "id_token_audience"),
        ("aud", [CLIENT_ID, "another client"], "id_token_audience"),
        ("aud", [], "id_token_audience"),
        ("aud", None, "id_token_audience"),
        ("aud", {CLIENT_ID: 1}, "id_token_audience"),
        ("azp", "another client", "id_token_audience"),
        ("exp", NOW - 61, "id_token_time"),
        ("exp", None, "id_token_time"),
        ("exp", "soon", "id_token_time"),
        ("iat", NOW + 61, "id_token_time"),
        ("iat", None, "id_token_time"),
        ("iat", True, "id_token_time"),
        ("nbf", NOW + 61, "id_token_time"),
        ("nonce", "another", "id_token_nonce"),
        ("nonce", None, "id_token_nonce"),
        ("nonce", [NONCE], "id_token_nonce"),
        ("sub", "", "id_token_subject"),
        ("sub", None, "id_token_subject"),
        ("sub", 248, "id_token_subject"),
        ("sub", "é", "id_token_subject"),
        ("sub", "x" * 256, "id_token_subject"),
    ],
)
def test_a_claim_that_is_wrong_has_the_token_refused(claim: str, value: object, reason: str) -> None:
    """Required by OpenID Connect Core §2 and §3.1.3.7, 2. to 11."""
    fake = FakeProvider()
    fake.lies[claim] = value
    with refused(reason, Failure.UNUSABLE):
        check(fake)


@pytest.mark.parametrize(
    ("claim", "value"), [("aud", [CLIENT_ID]), ("azp", CLIENT_ID), ("exp", NOW - 59), ("iat", NOW + 59)]
)
def test_what_may_be_written_in_two_ways_is_taken_in_both(claim: str, value: object) -> None:
    """Required by OpenID Connect Core §2: aud as an array, azp beside it, and clocks that differ a little."""
    fake = FakeProvider()
    fake.lies[claim] = value
    assert check(fake)["sub"] == "248"


def test_a_signature_that_is_not_the_providers_is_refused() -> None:
    """Required by OpenID Connect Core §3.1.3.7, 6. and §16.14, RFC 8725 §3.1: another's key, none, or the
    secret.
    """
    fake = FakeProvider()
    claims = {"iss": PROVIDER, "aud": CLIENT_ID, "sub": "248", "nonce": NONCE, "iat": NOW, "exp": NOW + 300}
    evil = make_key("RS256", "evil")
    tokens = [
        sign(claims, key=evil, algorithm="RS256", kid="1"),
        sign(claims, key=evil, algorithm="RS256", kid="2"),
        sign(claims, key=evil, algorithm="RS256", jwk=publish(evil)["keys"][0]),
        sign(claims, key=evil, algorithm="RS256", jku="https://evil.example/jwks"),
        sign(claims, key=make_key("ES256", "evil"), algorithm="ES256", kid="1"),
        forge({"alg": "none"}, claims),
        forge({"alg": "HS256", "kid": "1"}, claims, hashlib.sha256(CLIENT_SECRET.encode()).digest()),
        fake.build_id_token(NONCE)[:-4] + "AAAA",
        "a.b",
        "",
        "A" * 20_000,
    ]
    for token in tokens:
        with refused("id_token_signature", Failure.UNUSABLE):
            check(fake, token)
    assert "https://evil.example/jwks" not in str(fake.asked)


def test_keys_that_were_changed_are_found() -> None:
    """Required by OpenID Connect Core §10.1.1: a new `kid` has the set fetched anew."""
    fake = FakeProvider()
    provider = OpenIDProvider(issuer=PROVIDER, client_id=CLIENT_ID)
    key_sets = RemoteKeySets(fake)

    async def check_at(now: float, token: str) -> dict[str, Any]:
        fake.now = now
        return await check_id_token(
            token,
            provider=provider,
            metadata=parse_metadata(fake.metadata, provider),
            key_sets=key_sets,
            nonce=NONCE,
            access_token=None,
            now=now,
        )

    async def main() -> None:
        await check_at(NOW, fake.build_id_token(NONCE))
        fake.signing_key = make_key("RS256", "new")
        fake.published = publish(fake.signing_key, kid="2")
        fake.now = NOW + 120
        claims = {"iss": PROVIDER, "aud": CLIENT_ID, "sub": "248", "nonce": NONCE}
        token = sign(
            claims | {"iat": NOW, "exp": NOW + 300}, key=fake.signing_key, algorithm="RS256", kid="2"
        )
        assert await check_at(NOW + 120, token)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("RS256", "sha256"), ("ES256", "sha256"), ("ES384", "sha384"), ("EdDSA", "sha512")],
)
def test_at_hash_binds_the_access_token_where_it_is_there(algorithm: str, name: str) -> None:
    """Required by OpenID Connect Core §3.1.3.6 and §3.1.3.8: the left half, by the algorithm's own hash."""
    fake = FakeProvider(algorithm=algorithm)
    digest = hashlib.new(name, b"at-1234").digest()
    fake.lies["at_hash"] = encode(digest[: len(digest) // 2])
    assert check(fake, access_token="at-1234")
    with refused("id_token_at_hash", Failure.UNUSABLE):
        check(fake, access_token="another access token")
    for wrong in ("", encode(digest), 1, ["x"]):
        fake.lies["at_hash"] = wrong
        with refused("id_token_at_hash", Failure.UNUSABLE):
            check(fake, access_token="at-1234")
    fake.lies["at_hash"] = None
    assert check(fake, access_token="at-1234")
