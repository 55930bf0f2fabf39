"""An identity provider's assertion for a token, and everything that is no such assertion."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.client import (
    JWT_BEARER,
    ClientKeys,
    ClientOrigin,
    Clients,
    DocumentSource,
    OAuthClient,
    build_preset,
)
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.identity_providers import IdentityProvider, IdentityProviders
from omnitornado.oauth.people import People, Person, ProviderPeople
from omnitornado.oauth.provider_people import AdmissionRules
from omnitornado.store.limits import Limits

from .fetching import FakeFetch
from .keys import forge, make_key, publish, sign
from .proofs import find_thumbprint, prove
from .world import ADA, BOB, FILES, ISSUER, MCP, SECRET, START, World, refused, run

IDP = "https://idp.example"
JWKS_URI = "https://idp.example/keys"
TYPE = "oauth-id-jag+jwt"
JTI = iter(range(10**9))
AGENT = build_preset(
    client_id="agent", client_secret=SECRET, grant_types=["authorization_code", "refresh_token", JWT_BEARER]
)
ACME = IdentityProvider(name="acme", issuer=IDP, jwks_uri=JWKS_URI)


def claim(**changed: Any) -> dict[str, Any]:
    """An assertion's claims with nothing wrong; None leaves one out."""
    claims = {
        "iss": IDP,
        "sub": "ada",
        "aud": ISSUER,
        "client_id": "agent",
        "jti": f"jti-{next(JTI)}",
        "iat": START,
        "exp": START + 300,
        "resource": ISSUER + "/mcp",
        "scope": "mcp",
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


class Bench:
    """A world with identity providers, and one assertion after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fetch = FakeFetch()
        self.fetch.documents[JWKS_URI] = publish(make_key(), kid="1")
        self.trust(ACME)

    def trust(self, *providers: IdentityProvider, people: tuple[Person, ...] = (ADA, BOB)) -> None:
        found = IdentityProviders(providers, self.fetch)
        self.world.tokens = msgspec.structs.replace(
            self.world.tokens,
            clients=Clients([AGENT, *self.world.clients.presets], self.world.store),
            people=People(people, provided=found.build_provided()),
            providers=found,
        )

    def be(self, client: OAuthClient) -> None:
        """The client that brings them from now on."""
        self.world.tokens = msgspec.structs.replace(
            self.world.tokens, clients=Clients([client], self.world.store)
        )

    async def bring(self, assertion: str, **changed: Any) -> dict[str, Any]:
        members = {
            "grant_type": JWT_BEARER,
            "assertion": assertion,
            "client_id": "agent",
            "client_secret": SECRET,
        }
        return (await self.world.ask_token(**members | changed)).body

    async def ask(self, *, request: dict[str, Any] | None = None, **claims: Any) -> dict[str, Any]:
        """Bring an assertion with these claims."""
        return await self.bring(sign(claim(**claims), typ=TYPE), **request or {})


def on_bench(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def run_scenario(world: World) -> None:
        await scenario(Bench(world))

    run(run_scenario)


def test_an_assertion_becomes_a_token_for_the_person_it_is_about() -> None:
    """Required by MCP extension io.modelcontextprotocol/enterprise-managed-authorization §5: with no refresh
    token, for the resource that it names.
    """

    async def scenario(bench: Bench) -> None:
        body = await bench.ask()
        assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
        assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "mcp")
        bearer = await bench.world.use(body["access_token"])
        assert (bearer.username, bearer.client_id, bearer.scope) == ("ada", "agent", ("mcp",))
        with pytest.raises(BearerError, match="another resource"):
            await bench.world.use(body["access_token"], FILES)
        (grant,) = await bench.world.store.find_grants("ada", now=START)
        assert (grant.provider, grant.client_id, grant.refresh_hash) == ("acme", "agent", None)

    on_bench(scenario)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "client-authentication+jwt", "oauth-id-jag", "", None])
def test_another_kind_of_token_is_no_assertion(typ: str | None) -> None:
    """Required by RFC 8725 §3.11 and enterprise-managed-authorization §5.1: an ID token or an access token of
    the same provider, signed by the same key, is something else.
    """

    async def scenario(bench: Bench) -> None:
        header: dict[str, Any] = {} if typ is None else {"typ": typ}
        with refused("invalid_grant", "assertion_type"):
            await bench.bring(sign(claim(), **header))

    on_bench(scenario)


@pytest.mark.parametrize("typ", ["OAuth-ID-JAG+JWT", "application/oauth-id-jag+jwt"])
def test_the_kind_of_token_is_spelled_as_media_types_are(typ: str) -> None:
    """Required by RFC 7515 §4.1.9."""

    async def scenario(bench: Bench) -> None:
        await bench.bring(sign(claim(), typ=typ))

    on_bench(scenario)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": None}, "assertion_issuer"),
        ({"iss": "https://evil.example"}, "assertion_issuer"),
        ({"iss": IDP + "/"}, "assertion_issuer"),
        ({"iss": [IDP]}, "assertion_issuer"),
        ({"iss": ISSUER}, "assertion_issuer"),
        ({"aud": None}, "assertion_audience"),
        ({"aud": "https://other.example"}, "assertion_audience"),
        ({"aud": ISSUER + "/token"}, "assertion_audience"),
        ({"aud": ISSUER + "/mcp"}, "assertion_audience"),
        ({"aud": [ISSUER, "https://other.example"]}, "assertion_audience"),
        ({"aud": [ISSUER, ISSUER]}, "assertion_audience"),
        ({"aud": []}, "assertion_audience"),
        ({"aud": {"x": ISSUER}}, "assertion_audience"),
        ({"client_id": None}, "assertion_other_client"),
        ({"client_id": "web"}, "assertion_other_client"),
        ({"client_id": ["agent"]}, "assertion_other_client"),
        ({"sub": None}, "assertion_malformed"),
        ({"sub": ""}, "assertion_malformed"),
        ({"sub": 7}, "assertion_malformed"),
        ({"sub": "a\nb"}, "assertion_malformed"),
        ({"sub": "x" * 256}, "assertion_malformed"),
        ({"sub": "\ud800"}, "assertion_malformed"),
        ({"jti": None}, "assertion_malformed"),
        ({"jti": 7}, "assertion_malformed"),
        ({"exp": None}, "assertion_time"),
        ({"exp": START - 30}, "assertion_time"),
        ({"exp": START + 3631}, "assertion_time"),
        ({"exp": 1e300}, "assertion_time"),
        ({"exp": "2027-01-01"}, "assertion_time"),
        ({"iat": None}, "assertion_time"),
        ({"iat": START + 31}, "assertion_time"),
        ({"nbf": START + 31}, "assertion_time"),
        ({"resource": "https://other.example/mcp"}, "assertion_resource"),
        ({"resource": ISSUER + "/elsewhere"}, "assertion_resource"),
        ({"resource": [ISSUER + "/mcp", "https://other.example/mcp"]}, "assertion_resource"),
        ({"resource": []}, "assertion_resource"),
        ({"resource": 7}, "assertion_resource"),
        ({"scope": "mcp everything"}, "assertion_scope"),
        ({"scope": ["mcp"]}, "assertion_scope"),
        ({"scope": 'mcp "'}, "assertion_scope"),
        ({"sub": "eve"}, "person_unknown"),
        ({"sub": "Ada"}, "person_unknown"),
        ({"authorization_details": [{"type": "x"}]}, "assertion_details"),
        ({"tenant": "t1"}, "assertion_tenant"),
        ({"cnf": {"jkt": "x"}}, "assertion_bound"),
    ],
)
def test_an_assertion_with_something_wrong_is_refused(changed: dict[str, Any], reason: str) -> None:
    """Required by enterprise-managed-authorization §5.1, §7.4 and §7.6.2 (invalid_grant); and nothing is
    made of it.
    """

    async def scenario(bench: Bench) -> None:
        with refused("invalid_grant", reason):
            await bench.ask(**changed)
        for person in ("ada", "eve", "Ada"):
            assert await bench.world.store.find_grants(person, now=START) == []

    on_bench(scenario)


@pytest.mark.parametrize("changed", [{"aud": [ISSUER]}, {"aud": ISSUER + "/"}, {"exp": START - 29}])
def test_spellings_and_clocks_may_differ_a_little(changed: dict[str, Any]) -> None:
    """Required by RFC 7519 §4.1.3 and §4.1.4 (a small leeway)."""

    async def scenario(bench: Bench) -> None:
        assert (await bench.ask(**changed))["scope"] == "mcp"

    on_bench(scenario)


def test_what_is_no_signed_token_is_refused() -> None:
    """Required by RFC 7515 §5.2 and RFC 8725 §3.1 and §3.2: neither `none` nor a secret, and nothing huge."""

    async def scenario(bench: Bench) -> None:
        public = publish(make_key(), kid="1")["keys"][0]
        for wrong in (
            "x",
            "a.b.c",
            "a.b.c.d.e",
            forge({"alg": "none", "typ": TYPE}, claim()),
            forge({"alg": "HS256", "typ": TYPE}, claim(), b"x" * 32),
            forge({"alg": "ES256", "typ": TYPE, "crit": ["x"], "x": 1}, claim(), b"x" * 64),
            sign(claim(pad="x" * 20_000), typ=TYPE),
        ):
            with refused("invalid_grant", "assertion_malformed"):
                await bench.bring(wrong)
        for wrong in (
            forge({"alg": "ES256", "typ": TYPE}, claim(), b"x" * 64),
            sign(claim(), key=make_key(name="two"), typ=TYPE, kid="1"),
            sign(claim(), key=make_key(name="two"), typ=TYPE, jwk=publish(make_key(name="two"))["keys"][0]),
            sign(claim(), key=make_key(name="two"), typ=TYPE, kid="other", jku="https://evil.example/keys"),
            sign(claim(), algorithm="RS256", key=make_key("RS256"), typ=TYPE, kid="1"),
        ):
            with refused("invalid_grant", "assertion_signature"):
                await bench.bring(wrong)
        assert public["kid"] == "1"
        assert set(bench.fetch.asked) == {JWKS_URI}
        with refused("invalid_request", "missing_assertion"):
            await bench.bring("")

    on_bench(scenario)


def test_a_forged_assertion_asks_nobody_for_keys() -> None:
    """Our choice: what can be told from the assertion itself is told first."""

    async def scenario(bench: Bench) -> None:
        for changed in ({"client_id": "web"}, {"aud": "https://other.example"}, {"exp": START - 60}):
            with pytest.raises(OAuthError):
                await bench.ask(**changed)
        assert bench.fetch.asked == []

    on_bench(scenario)


def test_an_assertion_is_good_once_also_in_a_race() -> None:
    """Required by enterprise-managed-authorization §7.4.2: until it has expired, the leeway included."""

    async def scenario(bench: Bench) -> None:
        assertion = sign(claim(), typ=TYPE)
        tries = await asyncio.gather(*(bench.bring(assertion) for _ in range(5)), return_exceptions=True)
        reasons = [one.reason for one in tries if isinstance(one, OAuthError)]
        assert reasons == ["assertion_replayed"] * 4
        for later in (200, 129):
            bench.world.advance(later)
            with refused("invalid_grant", "assertion_replayed"):
                await bench.bring(assertion)
        bench.world.advance(1)
        with refused("invalid_grant", "assertion_time"):
            await bench.bring(assertion)
        assert len(await bench.world.store.find_grants("ada", now=START)) == 1

    on_bench(scenario)


def test_two_people_may_have_the_same_identifier_of_an_assertion() -> None:
    """Our choice, as enterprise-managed-authorization §7.4.2 suggests: by issuer and subject."""

    async def scenario(bench: Bench) -> None:
        await bench.ask(jti="1")
        await bench.ask(jti="1", sub="bob")
        with refused("invalid_grant", "assertion_replayed"):
            await bench.ask(jti="1", exp=START + 200)

    on_bench(scenario)


def test_what_was_refused_for_another_reason_is_not_used_up() -> None:
    """Our choice: a client that asked for too much may ask again with the same assertion."""

    async def scenario(bench: Bench) -> None:
        assertion = sign(claim(), typ=TYPE)
        with refused("invalid_target", "resource_widened"):
            await bench.bring(assertion, resource=ISSUER + "/files/mcp")
        with refused("invalid_scope", "scope_not_given"):
            await bench.bring(assertion, scope="files")
        await bench.bring(assertion)

    on_bench(scenario)


def test_more_assertions_than_can_be_remembered_are_refused_for_now() -> None:
    """Our choice: none is forgotten early, or it would be good again."""

    async def scenario(bench: Bench) -> None:
        object.__setattr__(bench.world.store, "_limits", Limits(used_values_per_party=2))
        await bench.ask()
        await bench.ask()
        with refused("temporarily_unavailable", "assertions_cap"):
            await bench.ask()
        await bench.ask(sub="bob")

    on_bench(scenario)


@pytest.mark.parametrize(
    ("claimed", "asked", "granted"),
    [
        ("mcp", None, "mcp"),
        ("mcp files", None, "mcp files"),
        ("mcp files", "mcp", "mcp"),
        ("mcp", "mcp files", "mcp"),
        ("mcp openid offline_access", None, "mcp"),
        (" mcp  mcp ", None, "mcp"),
        (None, None, "mcp"),
        (None, "mcp files", "mcp files"),
    ],
)
def test_the_scopes_are_what_assertion_and_request_have_in_common(
    claimed: str | None, asked: str | None, granted: str
) -> None:
    """Required by enterprise-managed-authorization §7.2.1: the intersection. Known gap: it also says that a
    request for less than the assertion gives is to be refused, which would forbid to ask for less.
    """

    async def scenario(bench: Bench) -> None:
        assert (await bench.ask(scope=claimed, request={"scope": asked}))["scope"] == granted

    on_bench(scenario)


@pytest.mark.parametrize(("claimed", "asked"), [("mcp", "files"), ("", None), ("openid", None)])
def test_nothing_in_common_is_no_token(claimed: str, asked: str | None) -> None:
    """Required by RFC 6749 §5.2, invalid_scope: a claim that gives nothing is not a claim that is missing."""

    async def scenario(bench: Bench) -> None:
        with refused("invalid_scope", "scope_not_given"):
            await bench.ask(scope=claimed, request={"scope": asked})

    on_bench(scenario)


def test_client_provider_and_person_each_limit_what_can_be_had() -> None:
    """Required by RFC 6749 §3.3: the response says what it is."""

    async def scenario(bench: Bench) -> None:
        assert (await bench.ask(sub="bob", scope="mcp files"))["scope"] == "mcp"
        bench.trust(msgspec.structs.replace(ACME, scopes=("files",)))
        assert (await bench.ask(scope="mcp files"))["scope"] == "files"
        with refused("invalid_scope", "scope_not_given"):
            await bench.ask()
        with refused("invalid_grant", "scope_not_allowed"):
            await bench.ask(sub="bob", scope="mcp files")
        bench.trust(ACME)
        bench.be(msgspec.structs.replace(AGENT, scope=("mcp",)))
        assert (await bench.ask(scope="mcp files"))["scope"] == "mcp"

    on_bench(scenario)


def test_a_token_is_for_what_the_assertion_is_for_and_no_more() -> None:
    """Required by enterprise-managed-authorization §5.1 (audience-restricted) and RFC 8707 §2."""

    async def scenario(bench: Bench) -> None:
        both = [ISSUER + "/mcp", ISSUER + "/files/mcp"]
        token = (await bench.ask(resource=both, scope="mcp files"))["access_token"]
        for resource in (MCP, FILES):
            await bench.world.use(token, resource)
        narrow = await bench.ask(resource=both, scope="mcp files", request={"resource": both[1]})
        with pytest.raises(BearerError, match="another resource"):
            await bench.world.use(narrow["access_token"])
        with refused("invalid_target", "resource_widened"):
            await bench.ask(request={"resource": both})
        chosen = await bench.ask(resource=None, scope=None, request={"resource": both[1]})
        assert chosen["scope"] == "files"
        with pytest.raises(BearerError, match="another resource"):
            await bench.world.use(chosen["access_token"])
        with refused("invalid_target", "resource_unknown"):
            await bench.ask(resource=None, request={"resource": "https://other.example/mcp"})

    on_bench(scenario)


def test_only_clients_that_are_let_bring_assertions() -> None:
    """Required by RFC 6749 §5.2 (unauthorized_client); and only those that prove themselves, as the identity
    assertion grant advises.
    """

    async def scenario(bench: Bench) -> None:
        with refused("unauthorized_client", "grant_type_not_registered"):
            await bench.ask(client_id="web", request={"client_id": "web"})
        client, secret = await bench.world.register(
            grant_types=["authorization_code", JWT_BEARER], token_endpoint_auth_method="client_secret_post"
        )
        assert JWT_BEARER not in client.grant_types
        with refused("unauthorized_client", "grant_type_not_registered"):
            await bench.ask(
                client_id=client.client_id, request={"client_id": client.client_id, "client_secret": secret}
            )
        with refused("invalid_client", "client_secret_wrong"):
            await bench.ask(request={"client_secret": "wrong"})
        bench.trust(msgspec.structs.replace(ACME, clients=("another",)))
        with refused("unauthorized_client", "assertion_client"):
            await bench.ask()
        bench.trust(msgspec.structs.replace(ACME, clients=("agent",)))
        await bench.ask()
        bench.be(msgspec.structs.replace(AGENT, auth_methods=("none",), secret_hash=None))
        with refused("unauthorized_client", "client_public"):
            await bench.ask(request={"client_secret": None})

    on_bench(scenario)
    with pytest.raises(ValueError, match="prove itself"):
        build_preset(client_id="agent", client_secret=None, grant_types=[JWT_BEARER])


def test_a_client_that_is_known_by_its_document_has_to_be_named() -> None:
    """Our choice, within enterprise-managed-authorization §5: anybody may publish one."""

    async def scenario(bench: Bench) -> None:
        url = "https://app.example/client.json"
        bench.be(
            msgspec.structs.replace(
                AGENT,
                client_id=url,
                is_preset=False,
                keys=ClientKeys(),
                origin=ClientOrigin(host="app.example", source=DocumentSource.FETCHED),
            )
        )
        client = bench.world.tokens.clients
        with refused("unauthorized_client", "assertion_client"):
            await bench.ask(client_id=url, request={"client_id": url})
        bench.trust(msgspec.structs.replace(ACME, clients=(url,)))
        bench.world.tokens = msgspec.structs.replace(bench.world.tokens, clients=client)
        await bench.ask(client_id=url, request={"client_id": url})

    on_bench(scenario)


def test_nobody_is_trusted_unless_it_is_said_so() -> None:
    """Our choice."""

    async def scenario(bench: Bench) -> None:
        for providers in (None, IdentityProviders([], bench.fetch)):
            bench.world.tokens = msgspec.structs.replace(bench.world.tokens, providers=providers)
            with refused("invalid_grant", "assertion_issuer"):
                await bench.ask()

    on_bench(scenario)


def test_an_assertion_that_is_bound_to_a_key_needs_a_proof_by_it() -> None:
    """Required by RFC 7800 §3.1 and RFC 9449 §6.1: the token is bound to the same key. One that is bound to
    none may get such a token all the same.
    """

    async def scenario(bench: Bench) -> None:
        bound = sign(claim(cnf={"jkt": find_thumbprint()}), typ=TYPE)
        for proof in (None, prove(key=make_key(name="thief"))):
            with refused("invalid_grant", "assertion_bound"):
                await bench.bring(bound, proof=proof)
        strange: list[Any] = [{"jkt": find_thumbprint(), "x5t#S256": "x"}, {"jwk": {}}, {}, "x", {"jkt": ""}]
        for cnf in strange:
            for proof in (None, prove()):
                with refused("invalid_grant", "assertion_bound"):
                    await bench.ask(cnf=cnf, request={"proof": proof})
        body = await bench.bring(bound, proof=prove())
        assert body["token_type"] == "DPoP"
        with pytest.raises(BearerError):
            await bench.world.use(body["access_token"])
        assert (await bench.ask(request={"proof": prove()}))["token_type"] == "DPoP"

    on_bench(scenario)


# Whom it is about


def test_people_of_the_configuration_are_found_by_the_claim_that_names_them() -> None:
    """Our choice: exactly, but for e-mail addresses, whose case says nothing."""

    async def scenario(bench: Bench) -> None:
        mail = Person("Ada@Example.com")
        bench.trust(msgspec.structs.replace(ACME, person_claim="email"), people=(mail, BOB))
        body = await bench.ask(sub="u1", email="ada@example.COM")
        assert (await bench.world.use(body["access_token"])).username == "Ada@Example.com"
        await bench.ask(sub="u1", email="ada@example.com", email_verified=True)
        for verified in (False, "true", 1):
            with refused("invalid_grant", "assertion_email"):
                await bench.ask(sub="u1", email="ada@example.com", email_verified=verified)
        with refused("invalid_grant", "assertion_malformed"):
            await bench.ask(sub="Ada@Example.com")
        with refused("invalid_grant", "person_unknown"):
            await bench.ask(sub="u1", email="bob@example.com")

    on_bench(scenario)


def test_a_subject_can_be_given_the_name_of_a_person() -> None:
    """Our choice: for opaque subjects, in both ways of letting people in."""

    async def scenario(bench: Bench) -> None:
        for admits_anyone in (False, True):
            provider = msgspec.structs.replace(
                ACME, subjects={"00u1": "ada", "00u2": "gone"}, admits_anyone=admits_anyone
            )
            bench.trust(provider)
            body = await bench.ask(sub="00u1")
            assert (await bench.world.use(body["access_token"])).username == "ada"
            with refused("invalid_grant", "person_unknown"):
                await bench.ask(sub="00u2")

    on_bench(scenario)


def test_whoever_a_provider_vouches_for_has_a_name_that_is_nobody_elses() -> None:
    """Required by RFC 9700 §4.15 in spirit: who chooses names at a provider becomes nobody of the
    configuration, nor of another provider, nor a client.
    """

    async def scenario(bench: Bench) -> None:
        other = IdentityProvider(
            name="other", issuer="https://other.example", jwks=publish(make_key()), admits_anyone=True
        )
        bench.trust(msgspec.structs.replace(ACME, admits_anyone=True, scopes=("mcp",)), other)
        for sub, name in (
            ("ada", "idp:acme:ada"),
            ("client:robot", "idp:acme:client:robot"),
            ("idp:other:ada", "idp:acme:idp:other:ada"),
        ):
            body = await bench.ask(sub=sub)
            assert (await bench.world.use(body["access_token"])).username == name
        body = await bench.ask(sub="ada", iss="https://other.example")
        assert (await bench.world.use(body["access_token"])).username == "idp:other:ada"
        assert await bench.world.store.find_grants("ada", now=START) == []

    on_bench(scenario)


def test_both_ways_of_one_provider_lead_to_the_same_person() -> None:
    """Our choice: whoever it would sign in has the same name by its word, and nobody else is let in."""

    async def scenario(bench: Bench) -> None:
        names = ProviderPeople(
            prefix="idp.example:",
            usernames={"u2": "bob"},
            blocked=frozenset({"idp.example:u3"}),
            scopes=("mcp",),
        )
        rules = AdmissionRules(domains=frozenset({"example.com"}))
        bench.trust(msgspec.structs.replace(ACME, sign_in=rules))
        bench.world.tokens = msgspec.structs.replace(
            bench.world.tokens, people=People([ADA, BOB], provider=names)
        )
        verified: dict[str, Any] = {"email": "eve@example.com", "email_verified": True}
        body = await bench.ask(sub="u1", scope="mcp files", **verified)
        bearer = await bench.world.use(body["access_token"])
        assert (bearer.username, bearer.scope) == ("idp.example:u1", ("mcp",))
        body = await bench.ask(sub="u2")
        assert (await bench.world.use(body["access_token"])).username == "bob"
        for sub, claims in (
            ("u3", verified),
            ("u1", {"email": "eve@other.example", "email_verified": True}),
            ("u1", {"email": "eve@example.com"}),
            ("ada", {}),
        ):
            with refused("invalid_grant", "person_unknown"):
                await bench.ask(sub=sub, **claims)
        by_mail = AdmissionRules(everyone=True, username_claim="email")
        people = bench.world.tokens.people
        bench.trust(msgspec.structs.replace(ACME, sign_in=by_mail))
        bench.world.tokens = msgspec.structs.replace(bench.world.tokens, people=people)
        with refused("invalid_grant", "assertion_malformed"):
            await bench.ask(sub="u1", email="eve@example.com")

    on_bench(scenario)


def test_somebody_of_a_provider_that_is_taken_out_has_no_token_left() -> None:
    """Our choice: as somebody who is taken out of the configuration, and whoever checks passwords here."""

    async def scenario(bench: Bench) -> None:
        bench.trust(msgspec.structs.replace(ACME, admits_anyone=True))
        own = (await bench.ask(sub="eve"))["access_token"]
        bench.trust(ACME)
        listed = (await bench.ask())["access_token"]
        bench.trust(ACME, people=(BOB,))
        for people in (People([BOB]), People(is_open=True, provided={"other": None})):
            bench.world.tokens = msgspec.structs.replace(bench.world.tokens, people=people)
            with pytest.raises(BearerError):
                await bench.world.use(own)
        bench.world.tokens = msgspec.structs.replace(bench.world.tokens, people=People([BOB]))
        with pytest.raises(BearerError):
            await bench.world.use(listed)

    on_bench(scenario)


@pytest.mark.parametrize(
    ("claims", "is_let_in"),
    [
        ({"groups": ["staff", "tools"]}, True),
        ({"groups": "tools"}, True),
        ({"groups": ["Tools"]}, False),
        ({"groups": []}, False),
        ({}, False),
    ],
)
def test_what_else_is_asked_for_has_to_be_claimed(claims: dict[str, Any], is_let_in: bool) -> None:
    """Our choice: a group, a tenant, a domain; a value, or a list that holds it."""

    async def scenario(bench: Bench) -> None:
        bench.trust(msgspec.structs.replace(ACME, claims={"groups": "tools"}))
        if is_let_in:
            await bench.ask(**claims)
        else:
            with refused("invalid_grant", "assertion_claim"):
                await bench.ask(**claims)

    on_bench(scenario)


def test_a_claim_is_of_the_kind_that_is_asked_for() -> None:
    """Our choice: neither 1 nor "true" is true; and a tenant that is asked for is understood."""

    async def scenario(bench: Bench) -> None:
        bench.trust(msgspec.structs.replace(ACME, claims={"mfa": True, "tenant": "t1"}))
        await bench.ask(mfa=True, tenant="t1")
        for mfa in (1, "true", [1]):
            with refused("invalid_grant", "assertion_claim"):
                await bench.ask(mfa=mfa, tenant="t1")
        with refused("invalid_grant", "assertion_claim"):
            await bench.ask(mfa=True, tenant="t2")

    on_bench(scenario)


def test_a_provider_may_have_its_tokens_end_sooner() -> None:
    """Our choice: so long it takes until somebody who is removed there is out here. Never longer."""

    async def scenario(bench: Bench) -> None:
        for lifetime, seconds in ((900.0, 900), (7200.0, 3600)):
            bench.trust(msgspec.structs.replace(ACME, access_token_lifetime=lifetime))
            body = await bench.ask(iat=bench.world.now, exp=bench.world.now + 300)
            assert body["expires_in"] == seconds
            bench.world.advance(seconds)
            with pytest.raises(BearerError):
                await bench.world.use(body["access_token"])

    on_bench(scenario)


# Its keys


def test_a_provider_that_changes_its_key_is_asked_again() -> None:
    """Required by enterprise-managed-authorization §7.4.1 (key rotation)."""

    async def scenario(bench: Bench) -> None:
        await bench.ask()
        new = make_key(name="two")
        bench.fetch.documents[JWKS_URI] = publish(new, kid="2")
        bench.world.advance(61)
        await bench.bring(sign(claim(), key=new, typ=TYPE, kid="2"))
        with refused("invalid_grant", "assertion_signature"):
            await bench.bring(sign(claim(), typ=TYPE, kid="1"))
        assert bench.fetch.asked == [JWKS_URI] * 2

    on_bench(scenario)


def test_a_provider_that_is_away_is_told_from_a_bad_assertion() -> None:
    """Our choice: 503 and when to try again. The assertion is not used up; the last good keys serve on."""

    async def scenario(bench: Bench) -> None:
        keys = bench.fetch.documents.pop(JWKS_URI)
        assertion = sign(claim(exp=START + 900), typ=TYPE)
        with refused("temporarily_unavailable", "fetch_failed"):
            await bench.bring(assertion)
        bench.fetch.documents[JWKS_URI] = keys
        bench.world.advance(16)
        await bench.bring(assertion)
        bench.fetch.documents[JWKS_URI] = FetchError("away", reason="fetch_failed")
        bench.world.advance(3600)
        await bench.ask(iat=bench.world.now, exp=bench.world.now + 300)

    on_bench(scenario)
