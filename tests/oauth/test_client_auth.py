"""Client authentication at the token and the revocation endpoint."""

import base64
from urllib.parse import quote

import pytest

from omnitornado.oauth.client import Clients, OAuthClient, UnusableClientError, build_preset
from omnitornado.oauth.client_auth import authenticate_client

from .world import ISSUER, SECRET, World, build_basic, parse, refused, run


def test_basic_and_post_are_both_good_for_a_preset_client() -> None:
    """Required by RFC 6749 §2.3.1; both, where the configuration names none, is our choice."""

    async def scenario(world: World) -> None:
        by_basic = await authenticate_client(
            parse(), build_basic("web", SECRET), world.clients, issuer=ISSUER, now=world.now
        )
        members = parse(client_id="web", client_secret=SECRET)
        by_post = await authenticate_client(members, None, world.clients, issuer=ISSUER, now=world.now)
        assert by_basic.client_id == by_post.client_id == "web"

    run(scenario)


@pytest.mark.parametrize(
    ("secret", "spelled"),
    [
        (SECRET, "web+secret%3A+100%25+%2B+more"),
        (SECRET, "web%20secret%3A%20100%25%20%2B%20more"),
        (SECRET, SECRET),
        ("a+b/c d", "a+b/c%20d"),
        ("a%41+b", "a%41+b"),
        ("a%41+b", "a%2541%2Bb"),
        ("é", "%C3%A9"),
        ("é", "é"),
    ],
)
def test_every_spelling_of_a_basic_secret_is_taken(secret: str, spelled: str) -> None:
    """Required by RFC 6749 §2.3.1 (form-encoded); percent-encoded and raw because clients send them so."""

    async def scenario(world: World) -> None:
        clients = Clients([build_preset(client_id="x", client_secret=secret)], world.store)
        for scheme in ("Basic", "basic", "BASIC"):
            header = build_basic("x", spelled).replace("Basic", scheme)
            client = await authenticate_client(parse(), header, clients, issuer=ISSUER, now=world.now)
            assert client.client_id == "x"

    run(scenario)


def test_an_encoded_client_id_is_taken() -> None:
    """Required by RFC 6749 §2.3.1: the client id is encoded as well."""

    async def scenario(world: World) -> None:
        clients = Clients([build_preset(client_id="my app:1", client_secret="s")], world.store)
        for spelled in ("my+app%3A1", "my%20app%3A1"):
            client = await authenticate_client(
                parse(), build_basic(spelled, "s"), clients, issuer=ISSUER, now=world.now
            )
            assert client.client_id == "my app:1"

    run(scenario)


@pytest.mark.parametrize(
    "secret", ["", "wrong", SECRET + " ", SECRET.upper(), "web+secret%3A+100%25+%2B+mor"]
)
def test_a_wrong_secret_is_refused(secret: str) -> None:
    """Required by RFC 6749 §5.2: invalid_client."""

    async def scenario(world: World) -> None:
        with refused("invalid_client", "client_secret_wrong"):
            await authenticate_client(
                parse(), build_basic("web", secret), world.clients, issuer=ISSUER, now=world.now
            )
        if secret:
            with refused("invalid_client", "client_secret_wrong"):
                members = parse(client_id="web", client_secret=secret)
                await authenticate_client(members, None, world.clients, issuer=ISSUER, now=world.now)

    run(scenario)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "client_auth_scheme"),
        ("Bearer x", "client_auth_scheme"),
        ("Basic", "client_basic_malformed"),
        ("Basic !!!!", "client_basic_malformed"),
        ("Basic d2Vi", "client_basic_malformed"),
        ("Basic /w==", "client_basic_malformed"),
        ("Basic " + base64.b64encode(b"\xff:\xfe").decode(), "client_basic_malformed"),
        ("Basic " + base64.b64encode(b"web:x").decode() + ", Basic x", "client_basic_malformed"),
        ("Basic é", "client_basic_malformed"),
        (build_basic("nobody", "x"), "client_unknown"),
        (build_basic("", ""), "client_unknown"),
        (build_basic("%00", "%00"), "client_unknown"),
    ],
)
def test_other_credentials_are_refused(header: str, reason: str) -> None:
    """Required by RFC 6749 §5.2."""

    async def scenario(world: World) -> None:
        with refused("invalid_client", reason):
            await authenticate_client(parse(), header, world.clients, issuer=ISSUER, now=world.now)

    run(scenario)


def test_two_ways_at_once_are_refused() -> None:
    """Required by RFC 6749 §2.3: one method for each request."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", "client_two_methods"):
            await authenticate_client(
                parse(client_secret=SECRET),
                build_basic("web", SECRET),
                world.clients,
                issuer=ISSUER,
                now=world.now,
            )

    run(scenario)


def test_a_client_id_beside_basic_must_be_the_same() -> None:
    """Required by RFC 6749 §3.2.1; the Python SDK sends both."""

    async def scenario(world: World) -> None:
        header = build_basic("web", SECRET)
        client = await authenticate_client(
            parse(client_id="web"), header, world.clients, issuer=ISSUER, now=world.now
        )
        assert client.client_id == "web"
        with refused("invalid_request", "client_id_mismatch"):
            await authenticate_client(
                parse(client_id="native"), header, world.clients, issuer=ISSUER, now=world.now
            )

    run(scenario)


def test_a_confidential_client_must_prove_itself() -> None:
    """Required by RFC 6749 §3.2.1: leaving the secret out is no way around it."""

    async def scenario(world: World) -> None:
        for members in ({"client_id": "web"}, {"client_id": "web", "client_secret": ""}):
            with refused("invalid_client", "client_auth_method"):
                await authenticate_client(parse(**members), None, world.clients, issuer=ISSUER, now=world.now)

    run(scenario)


def test_without_any_identification_there_is_no_client() -> None:
    """Required by RFC 6749 §5.2: "no client authentication included"."""

    async def scenario(world: World) -> None:
        with refused("invalid_client", "client_id_missing"):
            await authenticate_client(parse(), None, world.clients, issuer=ISSUER, now=world.now)
        with refused("invalid_client", "client_unknown"):
            await authenticate_client(
                parse(client_id="nobody"), None, world.clients, issuer=ISSUER, now=world.now
            )

    run(scenario)


def test_a_public_client_needs_its_id_alone() -> None:
    """Required by OAuth 2.1 §2.4 ("none"). An empty Basic secret or a made-up posted one changes nothing."""

    async def scenario(world: World) -> None:
        record, secret = await world.register()
        assert secret is None
        for client_id in ("native", record.client_id):
            for members, header in (
                ({"client_id": client_id}, None),
                ({"client_id": client_id, "client_secret": "made up"}, None),
                ({}, build_basic(client_id, "")),
            ):
                client = await authenticate_client(
                    parse(**members), header, world.clients, issuer=ISSUER, now=world.now
                )
                assert client.client_id == client_id
            with refused("invalid_client", "client_auth_method"):
                header = build_basic(client_id, "made up")
                await authenticate_client(parse(), header, world.clients, issuer=ISSUER, now=world.now)

    run(scenario)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_registered_method_is_the_only_one(method: str) -> None:
    """Required by RFC 7591 §2: the method the client registered."""

    async def scenario(world: World) -> None:
        record, secret = await world.register(token_endpoint_auth_method=method)
        assert secret is not None
        ways = {
            "client_secret_basic": (parse(), build_basic(record.client_id, secret)),
            "client_secret_post": (parse(client_id=record.client_id, client_secret=secret), None),
        }
        for name, (members, header) in ways.items():
            if name == method:
                client = await authenticate_client(
                    members, header, world.clients, issuer=ISSUER, now=world.now
                )
                assert client.client_id == record.client_id
            else:
                with refused("invalid_client", "client_auth_method"):
                    await authenticate_client(members, header, world.clients, issuer=ISSUER, now=world.now)

    run(scenario)


def test_a_secret_counts_for_nothing_where_the_method_is_none() -> None:
    """Our choice: a preset client told to use "none" is a public one, at the consent too."""
    client = build_preset(client_id="x", client_secret="s", token_endpoint_auth_method="none")
    assert client.auth_methods == ("none",)
    assert not client.is_confidential
    assert build_preset(client_id="x", client_secret="s").is_confidential


def test_no_error_repeats_a_secret() -> None:
    """Our choice: descriptions reach logs and screens."""

    async def scenario(world: World) -> None:
        for members, header in (
            (parse(client_id="web", client_secret="hunter2"), None),
            (parse(), build_basic("web", "hunter2")),
            (parse(), "Hunter2 hunter2"),
        ):
            with pytest.raises(Exception, match="invalid_client") as caught:
                await authenticate_client(members, header, world.clients, issuer=ISSUER, now=world.now)
            assert "unter2" not in f"{caught.value} {vars(caught.value)}"

    run(scenario)


class Failing:
    """Documents that can't be had."""

    def __init__(self, *, is_passing: bool) -> None:
        self.is_passing = is_passing

    async def find(self, url: str, *, asker: str, now: float) -> OAuthClient:
        raise UnusableClientError("it is down", reason="fetch_failed", is_passing=self.is_passing)


@pytest.mark.parametrize(
    ("is_passing", "code"), [(True, "temporarily_unavailable"), (False, "invalid_client")]
)
def test_a_client_whose_document_can_not_be_had_may_come_again(is_passing: bool, code: str) -> None:
    """Our choice: its tokens are worth keeping while its host is down; one that is no client is told so."""

    async def scenario(world: World) -> None:
        url = "https://app.example/client.json"
        clients = Clients([], world.store, documents=Failing(is_passing=is_passing))
        for members, header in (({"client_id": url}, None), ({}, build_basic(quote(url, safe=""), ""))):
            with refused(code, "fetch_failed"):
                await authenticate_client(parse(**members), header, clients, issuer=ISSUER, now=world.now)

    run(scenario)
