"""Signing in through the provider: the way there, the way back, and what may happen between."""

from urllib.parse import parse_qs, urlsplit

import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.oauth.people import People, Person, ProviderPeople
from omnitornado.oauth.provider import Failure, ProviderError
from omnitornado.oauth.provider_people import AdmissionRules

from .openid import CLIENT_ID, FakeProvider, build_reply
from .provider_steps import ADDRESS, PREFIX, REDIRECT_URI, Steps, refused, run


def read(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def test_a_browser_goes_there_with_state_nonce_and_a_challenge() -> None:
    """Required by OpenID Connect Core §3.1.2.1, RFC 9700 §2.1.1 (PKCE), RFC 7636 §4.3."""

    async def scenario(steps: Steps) -> None:
        one, two = await steps.begin(), await steps.begin()
        asked = read(one.url)
        assert one.url.startswith("https://id.example.com/authorize?")
        assert set(asked) == {
            *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
            *("code_challenge", "code_challenge_method"),
        }
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["redirect_uri"], asked["scope"]) == (REDIRECT_URI, "openid profile email")
        assert asked["code_challenge_method"] == "S256"
        for name in ("state", "nonce", "code_challenge"):
            assert len(asked[name]) == 43
            assert asked[name] != read(two.url)[name]
        assert len({asked[name] for name in ("state", "nonce", "code_challenge")}) == 3

    run(scenario)


def test_the_query_of_the_authorization_endpoint_is_kept() -> None:
    """Required by RFC 6749 §3.1."""

    async def scenario(steps: Steps) -> None:
        steps.fake.metadata["authorization_endpoint"] += "?p=sign_in"
        assert (await steps.begin()).url.startswith(
            "https://id.example.com/authorize?p=sign_in&response_type="
        )

    run(scenario)


@pytest.mark.parametrize(
    ("configured", "is_switching", "sent"),
    [("", False, None), ("", True, "login"), ("select_account", False, "select_account")],
)
def test_who_wants_another_account_is_asked_again(
    configured: str, is_switching: bool, sent: str | None
) -> None:
    """Our choice (OpenID Connect Core §3.1.2.1, prompt): or the provider would sign the same person in
    again.
    """

    async def scenario(steps: Steps) -> None:
        assert read((await steps.begin(is_switching=is_switching)).url).get("prompt") == sent

    run(scenario, prompt=configured)


def test_the_person_is_known_by_a_name_that_nobody_else_has() -> None:
    """Required by OpenID Connect Core §5.7 (sub and iss, and nothing else, name a person for good)."""

    async def scenario(steps: Steps) -> None:
        person = await steps.go()
        assert (person.username, person.shown_name) == (PREFIX + "248", "ada@example.com")
        assert person.scopes is None
        assert steps.fake.asked == [
            ("GET", "/.well-known/openid-configuration"),
            ("POST", "/token"),
            ("GET", "/jwks"),
        ]

    run(scenario)


def test_what_is_asked_on_behalf_of_a_browser_is_counted_for_it() -> None:
    """Our choice: whoever has codes redeemed without end uses up their own share of fetches."""

    async def scenario(steps: Steps) -> None:
        await steps.go()
        assert steps.fake.askers == ["", ADDRESS, ""]

    run(scenario)


# state: login CSRF, replay, expiry, restart


def test_an_answer_that_this_browser_did_not_ask_for_is_refused() -> None:
    """Required by RFC 6749 §10.12, RFC 9700 §4.7: an attacker's code in a victim's browser (login CSRF)."""

    async def scenario(steps: Steps) -> None:
        attackers, victims = await steps.begin(), await steps.begin()
        answer = steps.fake.authorize(attackers.url)
        for sealed in (None, victims.sealed, "", attackers.sealed[:-2] + "AA", "A" * 60, "é"):
            with refused("oidc_state_unknown", Failure.ENDED):
                await steps.finish(answer, sealed)
        assert ("POST", "/token") not in steps.fake.asked

    run(scenario)


@pytest.mark.parametrize("state", [None, "", "x", "A" * 43, "é", "\u202e" * 43])
def test_a_state_that_was_not_given_out_is_refused(state: str | None) -> None:
    """Required by OpenID Connect Core §3.1.2.7, RFC 9700 §4.7.1."""

    async def scenario(steps: Steps) -> None:
        departure = await steps.begin()
        with refused("oidc_state_unknown", Failure.ENDED):
            await steps.finish(steps.fake.authorize(departure.url, state=state), departure.sealed)

    run(scenario)


def test_an_answer_is_good_once() -> None:
    """Required by RFC 9700 §4.7.1 (one-time use): whether the provider takes its code again or not."""

    async def scenario(steps: Steps) -> None:
        for takes_codes_again, reason in ((True, "oidc_state_replayed"), (False, "oidc_token_refused")):
            steps.fake.takes_codes_again = takes_codes_again
            departure = await steps.begin()
            answer = steps.fake.authorize(departure.url)
            await steps.finish(answer, departure.sealed)
            steps.sign_in = steps.build()  # a restart does not forget it
            with refused(reason):
                await steps.finish(answer, departure.sealed)

    run(scenario)


def test_another_code_does_not_make_an_answer_good_again() -> None:
    """Required by RFC 9700 §4.7.1: nor does another sign-in of the same person's."""

    async def scenario(steps: Steps) -> None:
        steps.fake.takes_codes_again = True
        departure = await steps.begin()
        await steps.finish(steps.fake.authorize(departure.url), departure.sealed)
        with refused("oidc_state_replayed", Failure.ENDED):
            await steps.finish(steps.fake.authorize(departure.url), departure.sealed)

    run(scenario)


def test_answers_that_somebody_makes_up_leave_nothing_behind() -> None:
    """Our choice: whoever could fill what is remembered would keep everyone else from signing in."""

    async def scenario(steps: Steps) -> None:
        for changed in ({"code": "made up"}, {"iss": "https://evil.example"}, {"code": None}):
            with pytest.raises(ProviderError):
                await steps.go(**changed)
        steps.fake.claims["sub"] = "x" * 300
        with pytest.raises(ProviderError):
            await steps.go()
        assert len(steps.store._state.used) == 0

    run(scenario)


def test_a_person_has_ten_minutes() -> None:
    """Our choice: what was begun and left open ends."""

    async def scenario(steps: Steps) -> None:
        in_time, late = await steps.begin(), await steps.begin()
        steps.now += 599
        steps.fake.now = steps.now
        assert await steps.finish(steps.fake.authorize(in_time.url), in_time.sealed)
        steps.now += 1
        with refused("oidc_state_expired", Failure.ENDED):
            await steps.finish(steps.fake.authorize(late.url), late.sealed)

    run(scenario)


def test_a_restart_while_the_person_is_at_the_provider_does_not_matter() -> None:
    """Our choice: nothing is kept here for it but one key."""

    async def scenario(steps: Steps) -> None:
        departure = await steps.begin("/device")
        answer = steps.fake.authorize(departure.url)
        steps.sign_in = steps.build()
        pending = await steps.find_pending(answer, departure.sealed)
        assert pending is not None
        assert pending.target == "/device"
        assert await steps.finish(answer, departure.sealed)

    run(scenario)


def test_an_answer_to_another_address_of_this_server_is_refused() -> None:
    """Our choice: the redirect URI of the request and of the token request are the same (RFC 6749 §4.1.3)."""

    async def scenario(steps: Steps) -> None:
        departure = await steps.begin()
        answer = steps.fake.authorize(departure.url)
        with refused("oidc_state_unknown"):
            await steps.finish(
                answer, departure.sealed, redirect_uri="https://other.example/login/oidc/callback"
            )

    run(scenario)


def test_too_many_answers_to_remember_are_refused_and_not_forgotten() -> None:
    """Our choice: to forget one would let it be used again."""

    async def scenario(steps: Steps) -> None:
        departure = await steps.begin()
        for number in range(10_000):
            await steps.store.use_once(
                "provider_sign_in",
                "https://id.example.com",
                str(number),
                expires_at=steps.now + 9,
                now=steps.now,
            )
        with refused("oidc_states_cap", Failure.UNREACHABLE):
            await steps.finish(steps.fake.authorize(departure.url), departure.sealed)

    run(scenario)


# iss: mix-up


@pytest.mark.parametrize("issuer", ["https://evil.example", "https://id.example.com/", None])
def test_an_answer_from_another_issuer_is_refused(issuer: str | None) -> None:
    """Required by RFC 9207 §2.4: compared as it stands, and not left out where it is announced (mix-up)."""

    async def scenario(steps: Steps) -> None:
        with refused("oidc_issuer_mismatch", Failure.UNUSABLE):
            await steps.go(iss=issuer)
        with refused("oidc_issuer_mismatch", Failure.UNUSABLE):
            await steps.go(iss=issuer, code=None, error="access_denied")
        assert ("POST", "/token") not in steps.fake.asked

    run(scenario)


def test_a_provider_that_does_not_announce_iss_may_leave_it_out_and_not_say_another() -> None:
    """Required by RFC 9207 §2.4: one that is there is checked all the same."""

    async def scenario(steps: Steps) -> None:
        del steps.fake.metadata["authorization_response_iss_parameter_supported"]
        assert await steps.go(iss=None)
        assert await steps.go()
        with refused("oidc_issuer_mismatch"):
            await steps.go(iss="https://evil.example")

    run(scenario)


# The code: injection, errors


def test_a_code_of_another_sign_in_is_no_good() -> None:
    """Required by RFC 9700 §4.5.3 (PKCE against code injection)."""

    async def scenario(steps: Steps) -> None:
        victims, attackers = await steps.begin(), await steps.begin()
        stolen = read("?" + steps.fake.authorize(victims.url))["code"]
        with refused("oidc_token_refused", Failure.UNUSABLE):
            await steps.finish(steps.fake.authorize(attackers.url, code=stolen), attackers.sealed)

    run(scenario)


def test_where_the_provider_ignores_the_challenge_the_nonce_still_holds() -> None:
    """Required by OpenID Connect Core §3.1.3.7, 11.: an ID token of another sign-in is refused."""

    async def scenario(steps: Steps) -> None:
        victims = await steps.begin()
        steps.fake.token_extra = {"id_token": steps.fake.build_id_token(read(victims.url)["nonce"])}
        with refused("id_token_nonce", Failure.UNUSABLE):
            await steps.go()

    run(scenario)


@pytest.mark.parametrize(
    ("error", "reason", "failure"),
    [
        ("access_denied", "oidc_denied", Failure.DENIED),
        ("login_required", "oidc_denied", Failure.DENIED),
        ("server_error", "oidc_error", Failure.UNREACHABLE),
        ("temporarily_unavailable", "oidc_error", Failure.UNREACHABLE),
        ("<script>\r\nlog line", "oidc_error", Failure.UNREACHABLE),
    ],
)
def test_an_error_of_the_provider_is_told_from_a_no(error: str, reason: str, failure: Failure) -> None:
    """Required by OpenID Connect Core §3.1.2.6; a code that is none is not repeated."""

    async def scenario(steps: Steps) -> None:
        departure = await steps.begin()
        answer = steps.fake.authorize(
            departure.url, code=None, error=error, error_description="\u202e<b>words of theirs"
        )
        with refused(reason, failure):
            await steps.finish(answer, departure.sealed)

    run(scenario)


def test_an_answer_without_code_and_error_is_refused() -> None:
    """Required by OpenID Connect Core §3.1.2.5."""

    async def scenario(steps: Steps) -> None:
        with refused("oidc_code_missing", Failure.UNUSABLE):
            await steps.go(code=None)

    run(scenario)


# Who it is


def test_somebody_of_the_configuration_is_meant_only_where_it_says_so() -> None:
    """Our choice: no claim makes anyone the `ada` of `[[users]]`, unless the operator mapped it."""
    listed = [Person("ada", b"hash"), Person("bob", scopes=("mcp",)), Person(PREFIX + "9", scopes=("files",))]

    async def scenario(steps: Steps) -> None:
        steps.fake.claims["preferred_username"] = "ada"
        assert (await steps.go()).username == PREFIX + "ada"
        steps.fake.claims["preferred_username"] = "bob@corp"
        assert await steps.go() == Person("bob", scopes=("mcp",), name="ada@example.com")
        steps.fake.claims["preferred_username"] = "9"
        assert (await steps.go()).scopes == ("files",)

    names = ProviderPeople(prefix=PREFIX, usernames={"bob@corp": "bob"}, scopes=("guest",))
    run(
        scenario,
        people=People(listed, provider=names),
        admission=AdmissionRules(everyone=True, username_claim="preferred_username"),
    )


def test_people_whom_the_configuration_names_need_no_other_rule() -> None:
    """Our choice: to list them is to let them in, and nobody else."""
    listed = [Person("bob"), Person(PREFIX + "9")]
    names = ProviderPeople(prefix=PREFIX, usernames={"248": "bob"})

    async def scenario(steps: Steps) -> None:
        assert (await steps.go()).username == "bob"
        for subject in ("9", "10"):
            steps.fake.claims["sub"] = subject
            if subject == "9":
                assert (await steps.go()).username == PREFIX + "9"
            else:
                with refused("oidc_not_allowed", Failure.NOT_ALLOWED):
                    await steps.go()

    run(scenario, people=People(listed, provider=names), admission=AdmissionRules())


def test_somebody_who_is_blocked_is_not_let_in_by_any_rule() -> None:
    """Our choice: `blocked` comes first."""
    names = ProviderPeople(prefix=PREFIX, blocked=frozenset({PREFIX + "248"}))

    async def scenario(steps: Steps) -> None:
        with refused("oidc_blocked", Failure.NOT_ALLOWED):
            await steps.go()

    run(scenario, people=People(provider=names))


def test_claims_that_the_id_token_lacks_come_from_userinfo() -> None:
    """Required by OpenID Connect Core §5.3.2 and §5.4: asked only where it matters, and its sub is
    compared.
    """
    rules = AdmissionRules(domains=frozenset({"example.com"}))

    async def scenario(steps: Steps) -> None:
        await steps.go()
        assert ("GET", "/userinfo") not in steps.fake.asked
        steps.fake.claims = {"sub": "248"}
        steps.fake.userinfo |= {"email": "ada@example.com", "email_verified": True}
        assert (await steps.go()).shown_name == "ada@example.com"
        assert steps.fake.asked[-1] == ("GET", "/userinfo")
        steps.fake.userinfo["sub"] = "249"
        with refused("oidc_userinfo_subject", Failure.UNUSABLE):
            await steps.go()

    run(scenario, admission=rules)


def test_userinfo_is_asked_only_where_it_could_change_something() -> None:
    """Our choice: a request less, and one that can fail less."""
    rules = AdmissionRules(
        emails=frozenset({"ada@example.com"}), claims=(("groups", "staff"),), username_claim="sub"
    )

    async def scenario(steps: Steps) -> None:
        steps.fake.replies["/userinfo"] = FetchError("it is away", reason="fetch_failed")
        assert await steps.go()
        steps.fake.claims["email"] = "eve@example.com"
        with refused("fetch_failed"):
            await steps.go()
        steps.fake.claims["groups"] = ["guests"]
        with refused("oidc_not_allowed"):
            await steps.go()

    run(scenario, admission=rules)


def test_what_the_id_token_says_counts_more_than_userinfo() -> None:
    """Our choice: the signed word first."""
    rules = AdmissionRules(claims=(("groups", "staff"), ("role", "admin")))

    async def scenario(steps: Steps) -> None:
        steps.fake.claims = {"sub": "248", "groups": ["guests"]}
        steps.fake.userinfo |= {"groups": ["staff"]}
        with refused("oidc_not_allowed"):
            await steps.go()

    run(scenario, admission=rules)


def test_userinfo_verifies_no_address_but_its_own() -> None:
    """Required by OpenID Connect Core §5.1: `email_verified` is said of the `email` beside it. Who can change
    the address at the provider while they sign in would have one of them verified by the other.
    """
    rules = AdmissionRules(emails=frozenset({"ada@example.com"}))

    async def scenario(steps: Steps) -> None:
        steps.fake.claims = {"sub": "248", "email": "ada@example.com"}
        steps.fake.userinfo |= {"email": "eve@example.org", "email_verified": True}
        with refused("oidc_not_allowed"):
            await steps.go()
        steps.fake.userinfo["email"] = "ada@example.com"
        assert (await steps.go()).username == "id.example.com:248"
        del steps.fake.userinfo["email"]
        with refused("oidc_not_allowed"):
            await steps.go()
        steps.fake.claims = {"sub": "248", "email_verified": True}
        steps.fake.userinfo |= {"email": "ada@example.com", "email_verified": False}
        with refused("oidc_not_allowed"):
            await steps.go()

    run(scenario, admission=rules)


# The provider fails


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"])
@pytest.mark.parametrize(
    "reason", ["fetch_failed", "fetch_timeout", "fetch_too_large", "fetch_busy", "fetch_tls"]
)
def test_a_provider_that_can_not_be_asked_signs_nobody_in(path: str, reason: str) -> None:
    """Our choice: whichever of its addresses it is, the person is asked to try again."""

    async def scenario(steps: Steps) -> None:
        steps.fake.claims = {"sub": "248"}
        steps.fake.replies[path] = FetchError("it did not work", reason=reason)
        with refused(reason, Failure.UNREACHABLE):
            await steps.go()
        assert steps.fake.timeouts <= {5.0, 10.0}

    run(scenario, admission=AdmissionRules(domains=frozenset({"example.com"})))


def test_the_last_good_document_serves_while_its_address_fails() -> None:
    """Our choice: for a day."""

    async def scenario(steps: Steps) -> None:
        await steps.go()
        steps.fake.replies["/.well-known/openid-configuration"] = FetchError("no", reason="fetch_failed")
        steps.now = steps.fake.now = steps.now + 80_000
        assert await steps.go()
        steps.now = steps.fake.now = steps.now + 20_000
        with refused("fetch_failed", Failure.UNREACHABLE):
            await steps.go()

    run(scenario)


def test_a_public_client_sends_no_secret() -> None:
    """Required by RFC 6749 §4.1.3: it names itself in the body."""
    provider = FakeProvider()
    provider.metadata["token_endpoint_auth_methods_supported"] = ["none"]

    async def scenario(steps: Steps) -> None:
        assert await steps.go()

    run(scenario, provider=provider, client_secret=None)


def test_a_token_answer_that_is_not_one_signs_nobody_in() -> None:
    """Required by OpenID Connect Core §3.1.3.3 and §3.1.3.5."""

    async def scenario(steps: Steps) -> None:
        for reply, reason in (
            (build_reply(b"<html>"), "oidc_token_malformed"),
            (build_reply(b"[" * 60_000), "oidc_token_malformed"),
            (build_reply({"access_token": "at-1234"}), "oidc_token_malformed"),
            (build_reply({"id_token": 1}), "oidc_token_malformed"),
            (build_reply({"id_token": "a.b.c", "access_token": 1}), "oidc_token_malformed"),
            (build_reply({"id_token": "a.b.c"}), "id_token_signature"),
            (build_reply({"id_token": "a.b.c"}, content_type="text/html"), "oidc_token_malformed"),
            (build_reply({"error": "invalid_client"}, status=401), "oidc_token_refused"),
            (build_reply({"error": ["x"]}, status=400), "oidc_token_refused"),
            (build_reply({}, status=302), "oidc_token_refused"),
        ):
            steps.fake.replies["/token"] = reply
            with refused(reason, Failure.UNUSABLE):
                await steps.go()
        steps.fake.replies["/token"] = build_reply(b"", status=503)
        with refused("oidc_token_refused", Failure.UNREACHABLE):
            await steps.go()

    run(scenario)
