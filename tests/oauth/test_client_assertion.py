"""private_key_jwt: a client proves itself by what it signed, once, to this server alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.oauth.client import ClientKeys, Clients, OAuthClient, build_preset
from omnitornado.oauth.client_assertion import ASSERTION_TYPE
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.key_sets import RemoteKeySets

from .fetching import FakeFetch
from .keys import forge, make_key, publish, publish_key, sign
from .world import ISSUER, START, World, build_basic, parse, refused, run

JWKS_URI = "https://keys.example/jwks.json"
JTI = iter(range(10**9))


def claim(client_id: str = "inline", **changed: Any) -> dict[str, Any]:
    """An assertion's claims with nothing wrong; None leaves one out."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "exp": START + 60,
        "iat": START,
        "jti": f"jti-{next(JTI)}",
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


class Bench:
    """Clients with keys, and one try after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fetch = FakeFetch()
        self.fetch.documents[JWKS_URI] = publish(make_key(), kid="1")
        addresses = ["https://app.example.com/callback"]
        self.clients = Clients(
            [
                build_preset(
                    client_id="inline",
                    client_secret=None,
                    redirect_uris=addresses,
                    keys=ClientKeys(jwks=publish(make_key(), kid="1")),
                ),
                build_preset(client_id="remote", client_secret=None, keys=ClientKeys(jwks_uri=JWKS_URI)),
                build_preset(
                    client_id="rsa",
                    client_secret=None,
                    keys=ClientKeys(jwks=publish(make_key("RS256")), signing_alg="RS256"),
                ),
                build_preset(client_id="public", client_secret=None, redirect_uris=addresses),
                build_preset(client_id="secret", client_secret="a secret of its own"),
            ],
            world.store,
            key_sets=RemoteKeySets(self.fetch),
        )

    async def authenticate(
        self,
        assertion: str,
        *,
        authorization: str | None = None,
        clients: Clients | None = None,
        **members: Any,
    ) -> OAuthClient:
        sent = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion} | members
        return await authenticate_client(
            parse(**sent), authorization, clients or self.clients, issuer=ISSUER, now=self.world.now
        )


def bench(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def in_world(world: World) -> None:
        await scenario(Bench(world))

    run(in_world)


@pytest.mark.parametrize("client_id", ["inline", "remote"])
def test_a_client_proves_itself_by_what_it_signed(client_id: str) -> None:
    """Required by RFC 7523 §2.2 and §3; client_id may stand beside it (RFC 7521 §4.2)."""

    async def scenario(bench: Bench) -> None:
        ways: list[dict[str, Any]] = [{}, {"client_id": client_id}]
        for members in ways:
            client = await bench.authenticate(sign(claim(client_id), kid="1"), **members)
            assert client.client_id == client_id
            assert client.is_confidential

    bench(scenario)


def test_its_keys_are_fetched_on_behalf_of_whoever_asks() -> None:
    """Our choice: what one address, or one subscriber's IPv6 network, has fetched is bounded."""

    async def scenario(bench: Bench) -> None:
        asking = bench.clients.asked_by("2001:db8::5")
        await bench.authenticate(sign(claim("remote"), kid="1"), clients=asking)
        assert bench.fetch.askers == ["2001:db8::/64"]

    bench(scenario)


@pytest.mark.parametrize(
    ("typ", "audience"),
    [
        (None, ISSUER),
        (None, ISSUER + "/"),
        (None, [ISSUER]),
        (None, ISSUER + "/token"),
        ("JWT", ISSUER + "/token"),
        ("JWT", ISSUER + "/revoke"),
        ("JWT", ISSUER + "/par"),
        ("JWT", ISSUER + "/device_authorization"),
        ("client-authentication+jwt", ISSUER),
        ("application/client-authentication+jwt", [ISSUER]),
    ],
)
def test_the_audience_is_this_server(typ: str | None, audience: object) -> None:
    """Required by RFC 7523 §3: its issuer, or the token endpoint; who says they know better, the issuer."""

    async def scenario(bench: Bench) -> None:
        header: dict[str, Any] = {} if typ is None else {"typ": typ}
        assert await bench.authenticate(sign(claim(aud=audience), **header))

    bench(scenario)


@pytest.mark.parametrize(
    ("typ", "audience"),
    [
        (None, None),
        (None, ""),
        (None, []),
        (None, 5),
        (None, "https://other.example.com"),
        (None, ISSUER + "/register"),
        (None, ISSUER + ".attacker.example"),
        (None, ISSUER + "//"),
        (None, ISSUER.upper()),
        (None, [ISSUER, "https://other.example.com"]),
        (None, [ISSUER, ISSUER]),
        (None, {"0": ISSUER}),
        ("client-authentication+jwt", ISSUER + "/token"),
        ("client-authentication+jwt", ISSUER + "/revoke"),
        ("client-authentication+jwt", ISSUER + "/par"),
        ("Application/Client-Authentication+JWT", ISSUER + "/token"),
    ],
)
def test_an_assertion_for_anyone_else_is_refused(typ: str | None, audience: object) -> None:
    """Required by RFC 7523 §3 and its revision: what was made for another, or for two, can be passed on."""

    async def scenario(bench: Bench) -> None:
        header: dict[str, Any] = {} if typ is None else {"typ": typ}
        with refused("invalid_client", "client_assertion_audience"):
            await bench.authenticate(sign(claim(aud=audience), **header))

    bench(scenario)


def test_an_assertion_is_good_once() -> None:
    """Required by RFC 7523 §3 (jti): not a second time, nor a hundred times at once, nor after a while."""

    async def scenario(bench: Bench) -> None:
        assertion = sign(claim())
        assert await bench.authenticate(assertion)
        for seconds in (0, 59, 20):
            bench.world.advance(seconds)
            with refused("invalid_client", "client_assertion_replayed"):
                await bench.authenticate(assertion)
        raced = sign(claim(exp=bench.world.now + 60))
        outcomes = await asyncio.gather(
            *(bench.authenticate(raced) for _ in range(100)), return_exceptions=True
        )
        assert sum(isinstance(outcome, OAuthClient) for outcome in outcomes) == 1
        # Who sends the same one again and again is held back, as after any wrong proof.
        reasons = {e.reason for e in outcomes if isinstance(e, OAuthError)}
        assert reasons == {"client_assertion_replayed", "client_throttled"}

    bench(scenario)


def test_one_without_a_name_is_good_once_as_well() -> None:
    """Our choice: RFC 7523 §3 leaves `jti` to the client; what was signed tells one from another as well."""

    async def scenario(bench: Bench) -> None:
        assertion = sign(claim(jti=None))
        assert await bench.authenticate(assertion)
        with refused("invalid_client", "client_assertion_replayed"):
            await bench.authenticate(assertion)
        # ECDSA has two signatures for each: the other one is a different string that says the same.
        again = sign(claim(jti=None, iat=START))
        assert again.rpartition(".")[0] == assertion.rpartition(".")[0]
        assert again != assertion
        with refused("invalid_client", "client_assertion_replayed"):
            await bench.authenticate(again)
        assert await bench.authenticate(sign(claim(jti=None, iat=START - 1)))

    bench(scenario)


def test_one_clients_name_for_an_assertion_is_not_anothers() -> None:
    """Our choice: nobody can use up what another client is going to say."""

    async def scenario(bench: Bench) -> None:
        assert await bench.authenticate(sign(claim("inline", jti="same")))
        assert await bench.authenticate(sign(claim("remote", jti="same"), kid="1"))

    bench(scenario)


def test_an_assertion_that_proves_nothing_uses_nothing_up() -> None:
    """Our choice: a forged one must not make the genuine one a replay."""

    async def scenario(bench: Bench) -> None:
        claims = claim()
        with refused("invalid_client", "client_assertion_signature"):
            await bench.authenticate(sign(claims, key=make_key("ES256", "two")))
        assert await bench.authenticate(sign(claims))

    bench(scenario)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": START - 30}, "client_assertion_time"),
        ({"exp": None}, "client_assertion_time"),
        ({"exp": START + 3631}, "client_assertion_time"),
        ({"exp": "tomorrow"}, "client_assertion_time"),
        ({"iat": START + 31}, "client_assertion_time"),
        ({"nbf": START + 31}, "client_assertion_time"),
        ({"iss": "remote"}, "client_assertion_subject"),
        ({"iss": None}, "client_assertion_subject"),
        ({"sub": None}, "client_assertion_subject"),
        ({"sub": ["inline"]}, "client_assertion_subject"),
        ({"jti": 5}, "client_assertion_malformed"),
        ({"jti": ""}, "client_assertion_malformed"),
    ],
)
def test_an_assertion_must_say_who_and_when(claims: dict[str, Any], reason: str) -> None:
    """Required by RFC 7523 §3."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_client", reason):
            await bench.authenticate(sign(claim(**claims)))

    bench(scenario)


def test_clocks_may_differ_a_little() -> None:
    """Required by RFC 7523 §3 (small leeway). An hour is what common libraries choose for the end."""

    async def scenario(bench: Bench) -> None:
        late: list[dict[str, Any]] = [{"exp": START - 29}, {"iat": START + 30, "nbf": START + 30}]
        for claims in (*late, {"exp": START + 3630}):
            assert await bench.authenticate(sign(claim(**claims)))

    bench(scenario)


def test_another_clients_key_proves_nothing() -> None:
    """Required by RFC 7523 §3: the keys are the named client's own."""

    async def scenario(bench: Bench) -> None:
        other = make_key("ES256", "another client's")
        for header in ({}, {"kid": "1"}, {"jwk": publish_key(other)}, {"jku": JWKS_URI}):
            with refused("invalid_client", "client_assertion_signature"):
                await bench.authenticate(sign(claim(), key=other, **header))
        with refused("invalid_client", "client_assertion_signature"):
            await bench.authenticate(sign(claim("remote"), key=other, kid="2"))

    bench(scenario)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384", "RS512"])
def test_only_the_listed_algorithms_are_taken(algorithm: str) -> None:
    """Required by RFC 8725 §3.1 and RFC 8414 §2."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_client", "client_assertion_malformed"):
            await bench.authenticate(forge({"alg": algorithm}, claim()))

    bench(scenario)


def test_a_client_that_named_its_algorithm_is_held_to_it() -> None:
    """Required by OpenID Connect Dynamic Client Registration §2 (token_endpoint_auth_signing_alg)."""

    async def scenario(bench: Bench) -> None:
        key = make_key("RS256")
        assert await bench.authenticate(sign(claim("rsa"), key=key, algorithm="RS256"))
        with refused("invalid_client", "client_assertion_algorithm"):
            await bench.authenticate(sign(claim("rsa"), key=key, algorithm="PS256"))

    bench(scenario)


def test_a_client_of_another_method_can_not_sign_and_this_one_nothing_else() -> None:
    """Required by RFC 7591 §2: the method the client registered, and no other."""

    async def scenario(bench: Bench) -> None:
        for client_id in ("public", "secret"):
            with refused("invalid_client", "client_auth_method"):
                await bench.authenticate(sign(claim(client_id)))
        for members, authorization in (
            ({"client_id": "inline"}, None),
            ({"client_id": "inline", "client_secret": "guessed"}, None),
            ({}, build_basic("inline", "guessed")),
            ({}, build_basic("inline", "")),
        ):
            with refused("invalid_client", "client_auth_method"):
                await authenticate_client(
                    parse(**members), authorization, bench.clients, issuer=ISSUER, now=START
                )

    bench(scenario)


def test_two_ways_at_once_are_refused() -> None:
    """Required by RFC 7521 §4.2 and RFC 6749 §2.3."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_request", "client_two_methods"):
            await bench.authenticate(sign(claim()), client_secret="x")
        with refused("invalid_request", "client_two_methods"):
            await bench.authenticate(sign(claim()), authorization=build_basic("inline", "x"))
        with refused("invalid_request", "client_id_mismatch"):
            await bench.authenticate(sign(claim()), client_id="remote")

    bench(scenario)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"client_assertion": None}, "client_assertion_type"),
        ({"client_assertion_type": None}, "client_assertion_type"),
        (
            {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
            "client_assertion_type",
        ),
        ({"client_assertion": "x"}, "client_assertion_malformed"),
        ({"client_assertion": "x" * 20_000}, "client_assertion_malformed"),
        ({"client_assertion": "a.b.c.d.e"}, "client_assertion_malformed"),
    ],
)
def test_what_is_no_assertion_is_refused(members: dict[str, Any], reason: str) -> None:
    """Required by RFC 7521 §4.2."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_client", reason):
            await bench.authenticate(sign(claim()), **members)

    bench(scenario)


def test_an_unknown_client_is_refused() -> None:
    """Required by RFC 6749 §5.2."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_client", "client_unknown"):
            await bench.authenticate(sign(claim("nobody")))

    bench(scenario)


def test_keys_that_can_not_be_had_are_this_servers_trouble() -> None:
    """Our choice: a client must not throw its registration away because its own host is down for a moment."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[JWKS_URI] = FetchError("it did not answer in time", reason="fetch_timeout")
        with refused("temporarily_unavailable", "fetch_timeout"):
            await bench.authenticate(sign(claim("remote"), kid="1"))
        nobody = Clients(bench.clients.presets, bench.world.store)
        with refused("invalid_client", "client_assertion_signature"):
            await bench.authenticate(sign(claim("remote"), kid="1"), clients=nobody)

    bench(scenario)


def test_a_client_that_needs_no_proof_is_let_in_without_its_keys() -> None:
    """Our choice: ChatGPT signs where it can, and is content with "none"; its host may refuse this server."""

    async def scenario(bench: Bench) -> None:
        url = "https://app.example/client.json"
        either = OAuthClient(
            client_id=url,
            client_name="An app",
            redirect_uris=("https://app.example/callback",),
            auth_methods=("private_key_jwt", "none"),
            grant_types=("authorization_code",),
            keys=ClientKeys(jwks_uri=JWKS_URI),
        )
        clients = Clients([either], bench.world.store, key_sets=RemoteKeySets(bench.fetch))
        bench.fetch.documents[JWKS_URI] = FetchError("it answered with 403", reason="fetch_status")
        assertion = sign(claim(url), kid="1")
        assert await bench.authenticate(assertion, clients=clients) == either
        with refused("invalid_client", "client_assertion_audience"):
            await bench.authenticate(sign(claim(url, aud="https://other.example")), clients=clients)
        bench.fetch.documents[JWKS_URI] = publish(make_key(), kid="1")
        bench.world.advance(15)
        assert await bench.authenticate(assertion, clients=clients) == either
        for wrong in (assertion, sign(claim(url), key=make_key("ES256", "two"))):
            with pytest.raises(OAuthError, match="invalid_client"):
                await bench.authenticate(wrong, clients=clients)

    bench(scenario)


def test_a_registered_client_signs_as_well() -> None:
    """Required by RFC 7591 §2 (jwks, jwks_uri, token_endpoint_auth_method)."""

    async def scenario(bench: Bench) -> None:
        for members in ({"jwks": publish(make_key(), kid="1")}, {"jwks_uri": JWKS_URI}):
            record, secret = await bench.world.register(
                token_endpoint_auth_method="private_key_jwt", **members
            )
            assert secret is None
            client = await bench.authenticate(sign(claim(record.client_id), kid="1"))
            assert (client.client_id, client.is_confidential) == (record.client_id, True)
            with refused("invalid_client", "client_auth_method"):
                await authenticate_client(
                    parse(client_id=record.client_id), None, bench.clients, issuer=ISSUER, now=START
                )

    bench(scenario)


def test_no_error_repeats_the_assertion() -> None:
    """Our choice: it is a secret for as long as it is good; descriptions reach logs and screens."""

    async def scenario(bench: Bench) -> None:
        for assertion in (
            sign(claim(), key=make_key("ES256", "two"), kid="hunter2"),
            sign(claim(aud="https://hunter2.example")),
            sign(claim(exp=0, hunter2=1)),
            forge({"alg": "hunter2"}, {}),
        ):
            with pytest.raises(OAuthError) as caught:
                await bench.authenticate(assertion)
            shown = f"{caught.value} {vars(caught.value)}"
            assert "hunter2" not in shown
            assert assertion[:20] not in shown

    bench(scenario)
