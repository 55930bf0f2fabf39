"""DPoP proofs: what is taken for one, where, when, and how often."""

import asyncio
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk

from omnitornado.base64url import encode
from omnitornado.oauth import dpop
from omnitornado.oauth.dpop import (
    ALGORITHMS,
    LONGEST_AGO,
    LONGEST_AHEAD,
    MAX_JTI,
    MAX_PROOF,
    DpopPolicy,
    Proof,
    ProofError,
    Proofs,
)
from omnitornado.oauth.dpop_nonce import PERIOD
from omnitornado.oauth.dpop_target import parse_target
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits

from .keys import forge, make_key, publish_key
from .proofs import find_thumbprint, prove
from .world import ISSUER, PROPERTY, START, World, build_proof_request, run

TOKEN = "omt_at_" + "t" * 43


async def check(
    world: World,
    *proofs: str | None,
    path: str = "/token",
    method: str = "POST",
    needs_nonce: bool = False,
    **bound: Any,
) -> Proof:
    request = build_proof_request(path, *proofs, method=method)
    return await world.proofs.check(request, needs_nonce=needs_nonce, now=world.now, **bound)


async def check_refused(
    world: World, *proofs: str | None, reason: str, code: str = "invalid_dpop_proof", **more: Any
) -> ProofError:
    with pytest.raises(ProofError) as caught:
        await check(world, *proofs, **more)
    assert (caught.value.code, caught.value.reason) == (code, reason), caught.value.description
    return caught.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_names_its_key(algorithm: str) -> None:
    """Required by RFC 9449 §4.3 and §6.1, RFC 7638: with each algorithm."""

    async def scenario(world: World) -> None:
        key = make_key(algorithm)
        for _ in range(2):
            proof = await check(world, prove(key=key, algorithm=algorithm))
            assert proof == Proof(jkt=find_thumbprint(key), dpop_nonce="")

    run(scenario)


def test_the_thumbprint_is_the_specifications_own() -> None:
    """Required by RFC 9449 §6.1: of the key of its examples."""
    example: dict[str, str | list[str]] = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    assert find_thumbprint(jwk.import_key(example)) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


CLAIMS = {"jti": "1", "htm": "POST", "htu": ISSUER + "/token", "iat": int(START)}
HMAC_KEY = {"kty": "oct", "k": encode(b"k" * 32)}
PRIVATE = dict(make_key().as_dict(private=True))
WRONG: dict[str, tuple[str, str]] = {
    "nothing": ("", "dpop_malformed"),
    "no token": ("abc", "dpop_malformed"),
    "no JSON": ("e30.e30", "dpop_malformed"),
    "a list of two": (f"{prove()}, {prove()}", "dpop_malformed"),
    "huge": (prove(padding="x" * MAX_PROOF), "dpop_malformed"),
    "no typ": (prove(header={"typ": None}), "dpop_type"),
    "typ of another token": (prove(header={"typ": "JWT"}), "dpop_type"),
    "typ that is no text": (
        forge({"typ": ["dpop+jwt"], "alg": "ES256", "jwk": publish_key(make_key())}, {"jti": "1"}),
        "dpop_type",
    ),
    "unsigned": (
        forge({"typ": "dpop+jwt", "alg": "none", "jwk": publish_key(make_key())}, {"jti": "1"}),
        "dpop_malformed",
    ),
    "a shared secret": (forge({"typ": "dpop+jwt", "alg": "HS256", "jwk": HMAC_KEY}, {}), "dpop_malformed"),
    "an algorithm that takes long": (prove(algorithm="ES384"), "dpop_malformed"),
    "a shared secret as another algorithm": (prove(header={"jwk": HMAC_KEY}), "dpop_key"),
    "a private key": (prove(header={"jwk": PRIVATE}), "dpop_key"),
    "no key": (prove(header={"jwk": None}), "dpop_key"),
    "a key as text": (forge({"typ": "dpop+jwt", "alg": "ES256", "jwk": "key"}, CLAIMS), "dpop_key"),
    "a key elsewhere": (prove(header={"jwk": None, "jku": "https://keys.example"}), "dpop_key"),
    "a key of no curve": (prove(header={"jwk": {"kty": "EC", "crv": "P-256"}}), "dpop_key"),
    "a point off the curve": (
        prove(header={"jwk": publish_key(make_key()) | {"x": encode(b"\1" * 32)}}),
        "dpop_key",
    ),
    "a weak key": (prove(header={"jwk": {"kty": "RSA", "n": encode(b"\xff" * 64), "e": "AQAB"}}), "dpop_key"),
    "an enormous key": (
        prove(header={"jwk": {"kty": "RSA", "n": encode(b"\xff" * 2048), "e": "AQAB"}}),
        "dpop_key",
    ),
    "another's key": (prove(header={"jwk": publish_key(make_key(name="two"))}), "dpop_signature"),
    "a key of another type": (prove(header={"jwk": publish_key(make_key("RS256"))}), "dpop_signature"),
    "a critical extension": (
        forge({"typ": "dpop+jwt", "alg": "ES256", "crit": ["exp"]}, {"jti": "1"}),
        "dpop_malformed",
    ),
    "no jti": (prove(jti=None), "dpop_malformed"),
    "an empty jti": (prove(jti=""), "dpop_malformed"),
    "a jti that is no text": (prove(jti=7), "dpop_malformed"),
    "a long jti": (prove(jti="j" * (MAX_JTI + 1)), "dpop_malformed"),
    "no htm": (prove(htm=None), "dpop_target"),
    "another method": (prove(htm="GET"), "dpop_target"),
    "a method in lower case": (prove(htm="post"), "dpop_target"),
    "no htu": (prove(htu=None), "dpop_target"),
    "another path": (prove("/mcp"), "dpop_target"),
    "another host": (prove(issuer="https://evil.example"), "dpop_target"),
    "another scheme": (prove(issuer=ISSUER.replace("https", "http")), "dpop_target"),
    "another port": (prove(issuer=ISSUER + ":8443"), "dpop_target"),
    "a user before the host": (prove(issuer="https://auth.example.com@evil.example"), "dpop_target"),
    "a host after a user": (prove(issuer="https://me@auth.example.com"), "dpop_target"),
    "an htu that is no address": (prove(htu="https://[/token"), "dpop_target"),
    "an htu with a line break": (prove(htu=ISSUER + "/to\nken"), "dpop_target"),
    "an htu that is no text": (prove(htu=[ISSUER + "/token"]), "dpop_target"),
    "no iat": (prove(iat=None), "dpop_malformed"),
    "an iat that is no number": (prove(iat="now"), "dpop_malformed"),
    "an iat that is true": (prove(iat=True), "dpop_malformed"),
    "an iat beyond all numbers": (prove(iat=10**30), "dpop_malformed"),
    "an exp that is over": (prove(exp=START - LONGEST_AHEAD), "dpop_time"),
    "an nbf that is to come": (prove(nbf=START + LONGEST_AHEAD + 1), "dpop_time"),
    "an exp that is no number": (prove(exp="never"), "dpop_malformed"),
    "an old iat": (prove(iat=START - LONGEST_AGO), "dpop_time"),
    "an iat of an hour ago": (prove(iat=START - 3600), "dpop_time"),
    "an iat of the future": (prove(iat=START + LONGEST_AHEAD + 1), "dpop_time"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_proof_is_found(what: str) -> None:
    """Required by RFC 9449 §4.2, §4.3 and §11.6: each of the checks."""
    proof, reason = WRONG[what]

    async def scenario(world: World) -> None:
        await check_refused(world, proof, reason=reason)

    run(scenario)


def test_exactly_one_header_carries_a_proof() -> None:
    """Required by RFC 9449 §4.3, check 1."""

    async def scenario(world: World) -> None:
        await check_refused(world, reason="dpop_missing")
        proof = prove()
        await check_refused(world, proof, proof, reason="dpop_two_headers")
        await check(world, proof)

    run(scenario)


def test_a_changed_proof_is_no_proof() -> None:
    """Required by RFC 9449 §4.3, check 6."""

    async def scenario(world: World) -> None:
        head, claims, signature = prove().split(".")
        other = prove(jti="another").split(".")[1]
        flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
        for changed in (f"{head}.{other}.{signature}", f"{head}.{claims}.{flipped}"):
            await check_refused(world, changed, reason="dpop_signature")
        await check_refused(world, f"{head}.{claims}.", reason="dpop_signature")
        await check(world, f"{head}.{claims}.{signature}")

    run(scenario)


@pytest.mark.parametrize(
    ("issuer", "path", "htu"),
    [
        (ISSUER, "/mcp", "https://auth.example.com/mcp"),
        (ISSUER, "/mcp", "https://auth.example.com/mcp?x=1"),
        (ISSUER, "/mcp", "https://auth.example.com/mcp#part"),
        (ISSUER, "/mcp", "HTTPS://AUTH.example.com:443/mcp"),
        (ISSUER, "/mcp", "https://auth.example.com/a/../%6dcp"),
        (ISSUER, "/a%2fb", "https://auth.example.com/a%2Fb"),
        (ISSUER, "/mcp/", "https://auth.example.com/mcp"),
        (ISSUER, "/mcp", "https://auth.example.com/mcp/"),
        (ISSUER, "/", "https://auth.example.com"),
        ("http://localhost:8080", "/mcp", "http://127.0.0.1:8080/mcp"),
        ("http://127.0.0.1:8080", "/mcp", "http://[::1]:8080/mcp"),
    ],
)
def test_an_address_has_several_spellings(issuer: str, path: str, htu: str) -> None:
    """Required by RFC 9449 §4.3, check 9, and RFC 3986 §6.2.2 and §6.2.3; the final slash and the names of
    loopback are our choice.
    """

    async def scenario(world: World) -> None:
        request = build_proof_request(path, prove(htu=htu))
        named = type(request)(headers=request.headers, method="POST", issuer=issuer, path=path)
        await world.proofs.check(named, needs_nonce=False, now=world.now)

    run(scenario)


@pytest.mark.parametrize(
    ("issuer", "path", "htu"),
    [
        (ISSUER, "/a/b", "https://auth.example.com/a%2Fb"),
        (ISSUER, "/mcp", "https://auth.example.com/MCP"),
        (ISSUER, "/mcp", "https://auth.example.com//mcp"),
        (ISSUER, "/mcp", "/mcp"),
        (ISSUER, "/mcp", "//auth.example.com/mcp"),
        (ISSUER, "/mcp", "ftp://auth.example.com/mcp"),
        (ISSUER, "/mcp", "http://localhost/mcp"),
        ("http://localhost:8080", "/mcp", "http://127.0.0.1:8081/mcp"),
        ("http://localhost:8080", "/mcp", "https://127.0.0.1:8080/mcp"),
        ("http://localhost:8080", "/mcp", "http://localhost.example:8080/mcp"),
    ],
)
def test_another_address_is_another(issuer: str, path: str, htu: str) -> None:
    """Required by RFC 9449 §4.3, check 9."""

    async def scenario(world: World) -> None:
        request = build_proof_request(path, prove(htu=htu))
        named = type(request)(headers=request.headers, method="POST", issuer=issuer, path=path)
        with pytest.raises(ProofError, match="address"):
            await world.proofs.check(named, needs_nonce=False, now=world.now)

    run(scenario)


def test_what_is_no_address_has_no_spelling() -> None:
    """Our choice: what no client asks for is not compared."""
    for url in (
        "",
        "mcp",
        "https://",
        "https:///mcp",
        "https://a b/",
        "https://a:x/",
        "https://a/" + "p" * 3000,
    ):
        assert parse_target(url) is None, url


def test_a_proof_is_taken_once() -> None:
    """Required by RFC 9449 §11.1; the clock decides for how long it is remembered, and then it is too old."""

    async def scenario(world: World) -> None:
        for iat in (START, START - LONGEST_AGO + 1, START + LONGEST_AHEAD):
            proof = prove(iat=int(iat))
            await check(world, proof)
            await check_refused(world, proof, reason="dpop_replayed")
        world.advance(LONGEST_AHEAD + LONGEST_AGO - 1)
        await check_refused(world, proof, reason="dpop_replayed")
        world.advance(2)
        await check_refused(world, proof, reason="dpop_time")

    run(scenario)


def test_of_two_at_the_same_time_one_is_taken() -> None:
    """Required by RFC 9449 §11.1: there is no moment between looking and noting."""

    async def scenario(world: World) -> None:
        proof = prove()
        outcomes = await asyncio.gather(*(check(world, proof) for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(outcome, Proof) for outcome in outcomes) == 1
        assert {o.reason for o in outcomes if isinstance(o, ProofError)} == {"dpop_replayed"}

    run(scenario)


def test_a_jti_is_its_keys_own() -> None:
    """Our choice: two clients that number their proofs do not get into each other's way."""

    async def scenario(world: World) -> None:
        await check(world, prove(jti="1"))
        await check(world, prove(jti="1", key=make_key(name="two")))
        await check(world, prove("/mcp", jti="1"), path="/mcp")
        await check_refused(world, prove(jti="1", iat=int(START) + 1), reason="dpop_replayed")

    run(scenario)


def test_a_proof_that_was_refused_is_not_used_up() -> None:
    """Our choice: who sends a copy to the wrong place can't spoil the real one."""

    async def scenario(world: World) -> None:
        proof = prove("/mcp", token=TOKEN)
        await check_refused(world, proof, reason="dpop_target")
        await check_refused(
            world, proof, path="/mcp", access_token="omt_at_another", reason="dpop_token_hash"
        )
        await check(world, proof, path="/mcp", access_token=TOKEN, jkt=find_thumbprint())

    run(scenario)


def test_a_token_goes_with_its_own_hash_and_key() -> None:
    """Required by RFC 9449 §4.3, check 12: `ath`, and the key that the token is bound to."""

    async def scenario(world: World) -> None:
        bound: dict[str, Any] = {"path": "/mcp", "access_token": TOKEN, "jkt": find_thumbprint()}
        for ath in (None, "", encode(b"\0" * 32), TOKEN, 7):
            await check_refused(world, prove("/mcp", ath=ath), reason="dpop_token_hash", **bound)
        thief = prove("/mcp", token=TOKEN, key=make_key(name="thief"))
        await check_refused(world, thief, reason="dpop_key_differs", code="invalid_token", **bound)
        await check(world, prove("/mcp", token=TOKEN), **bound)

    run(scenario)


def test_more_proofs_than_can_be_remembered_are_refused() -> None:
    """Our choice: none that was taken is forgotten early, or it could be taken again."""

    async def scenario() -> None:
        store = EmbeddedStore.open(None, clock=lambda: START, limits=Limits(used_values_per_party=2))
        await store.start()
        proofs = Proofs(store, token_bytes=secrets.token_bytes)

        async def take(proof: str) -> Proof:
            request = build_proof_request("/token", proof)
            return await proofs.check(request, needs_nonce=False, now=START)

        first = prove()
        await take(first)
        await take(prove())
        with pytest.raises(ProofError) as caught:
            await take(prove())
        assert (caught.value.code, caught.value.reason) == ("temporarily_unavailable", "dpop_cap")
        with pytest.raises(ProofError, match="used before"):
            await take(first)
        await take(prove(key=make_key(name="two")))
        nonce = await proofs.nonces.issue(now=START)
        for iat in (1, 1000):
            await take(prove(nonce=nonce, iat=iat))
        with pytest.raises(ProofError, match="too many"):
            await take(prove(nonce=nonce, iat=1_000_000))
        await store.close()

    asyncio.run(scenario())


# Nonces


async def ask_nonce(world: World, **more: Any) -> str:
    error = await check_refused(
        world, prove(), needs_nonce=True, reason="dpop_nonce_missing", code="use_dpop_nonce", **more
    )
    return error.dpop_nonce


def test_a_nonce_is_asked_for_and_taken() -> None:
    """Required by RFC 9449 §8 and §8.2: the answer tells the one to use next."""

    async def scenario(world: World) -> None:
        nonce = await ask_nonce(world)
        proof = await check(world, prove(nonce=nonce), needs_nonce=True)
        assert proof.dpop_nonce == nonce
        world.advance(PERIOD)
        again = await check(world, prove(nonce=nonce, now=world.now), needs_nonce=True)
        assert again.dpop_nonce not in ("", nonce)
        world.advance(PERIOD)
        error = await check_refused(
            world,
            prove(nonce=nonce, now=world.now),
            needs_nonce=True,
            reason="dpop_nonce",
            code="use_dpop_nonce",
        )
        await check(world, prove(nonce=error.dpop_nonce, now=world.now), needs_nonce=True)

    run(scenario)


def test_a_nonce_stands_in_for_the_clients_clock() -> None:
    """Required by RFC 9449 §4.3, check 11: time is told by `iat` or by a nonce that this server gave."""

    async def scenario(world: World) -> None:
        error = await check_refused(world, prove(iat=START - 86_400), reason="dpop_time")
        assert error.dpop_nonce
        proof = prove(iat=START - 86_400, nonce=error.dpop_nonce)
        await check(world, proof)
        await check_refused(world, proof, reason="dpop_replayed")
        world.advance(2 * PERIOD - 1 - START % PERIOD)
        await check_refused(world, proof, reason="dpop_replayed")
        world.advance(1)
        await check_refused(world, proof, reason="dpop_nonce", code="use_dpop_nonce")

    run(scenario)


@pytest.mark.parametrize("nonce", ["", "x", "A" * 32, "A" * 5000, 7, ["n"], {}, False])
def test_a_made_up_nonce_is_not_taken(nonce: object) -> None:
    """Required by RFC 9449 §4.3, check 10; also where none is needed."""

    async def scenario(world: World) -> None:
        for needs_nonce in (True, False):
            error = await check_refused(
                world, prove(nonce=nonce), needs_nonce=needs_nonce, reason="dpop_nonce", code="use_dpop_nonce"
            )
            await check(world, prove(nonce=error.dpop_nonce), needs_nonce=needs_nonce)

    run(scenario)


def test_another_servers_nonce_is_not_taken() -> None:
    """Required by RFC 9449 §8: each server gives its own; processes on one store give the same."""

    async def scenario(world: World) -> None:
        other = EmbeddedStore.open(None, clock=world.clock)
        await other.start()
        theirs = await Proofs(other, token_bytes=secrets.token_bytes).nonces.issue(now=world.now)
        await other.close()
        nonce = await ask_nonce(world)
        assert theirs != nonce
        await check_refused(
            world, prove(nonce=theirs), needs_nonce=True, reason="dpop_nonce", code="use_dpop_nonce"
        )
        beside = Proofs(world.store, token_bytes=secrets.token_bytes, policy=DpopPolicy(token_nonces=True))
        assert await beside.nonces.issue(now=world.now) == nonce
        ahead = await beside.nonces.issue(now=world.now + PERIOD)
        await check(world, prove(nonce=ahead), needs_nonce=True)

    run(scenario)


def test_each_key_is_read_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: all of a client's proofs bring the same key, and anyone may bring another each time."""
    read: list[object] = []

    async def note(jwk: Any) -> Any:
        read.append(jwk)
        return await real(jwk)

    async def scenario(world: World) -> None:
        for name, count in [("one", 1), ("one", 1), ("two", 2), ("three", 3), ("three", 3), ("one", 4)]:
            await check(world, prove(key=make_key(name=name)))
            assert len(read) == count

    real = dpop.read_proof_key
    monkeypatch.setattr(dpop, "read_proof_key", note)
    monkeypatch.setattr(dpop, "MAX_KEYS", 2)
    run(scenario)


def test_a_large_key_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: what takes long is done on a thread."""
    used: list[object] = []
    real = asyncio.to_thread

    async def note(function: Any, *args: Any) -> Any:
        used.append(getattr(function, "__name__", ""))
        return await real(function, *args)

    async def scenario(world: World) -> None:
        large = jwk.generate_key("RSA", 5120)
        await check(world, prove())
        monkeypatch.setattr(asyncio, "to_thread", note)
        await check(world, prove())
        assert used == []
        for _ in range(2):
            await check(world, prove(key=large, algorithm="RS256"))
        assert used == ["find_key", "_check_signature", "_check_signature"]
        used.clear()
        for _ in range(2):
            await check(world, prove(algorithm="RS256"))
        assert used == ["find_key"]

    run(scenario)


PIECES = st.sampled_from(["", ".", "a", "=", ",", " ", "e30", '"', "%00", *prove().split(".")[:2]])
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.just({"a": []})
)
MEMBERS = st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"])


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=8).map(".".join)))
@PROPERTY
def test_whatever_stands_in_the_header_is_refused_and_nothing_else(header: str) -> None:
    """Our choice: no text is an error of the server's."""

    async def scenario(world: World) -> None:
        with pytest.raises(ProofError):
            await check(world, header)

    run(scenario)


@given(st.dictionaries(MEMBERS, ANYTHING, min_size=1, max_size=3))
@PROPERTY
def test_whatever_is_signed_is_taken_or_refused_and_nothing_else(claims: dict[str, Any]) -> None:
    """Our choice: no claims are an error of the server's; each is what it has to be, or the proof is none."""

    async def scenario(world: World) -> None:
        try:
            await check(world, prove(**claims))
        except ProofError:
            return
        given = {name: value for name, value in claims.items() if value is not None}
        assert set(given) <= {"jti", "iat", "ath", "exp", "nbf"}
        assert not {"jti", "htm", "htu", "iat"} & {name for name, value in claims.items() if value is None}

    run(scenario)
