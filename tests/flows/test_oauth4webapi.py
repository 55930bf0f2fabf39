"""oauth4webapi, a generic OAuth client that checks everything it is told, from the MCP server's address
alone.
"""

from typing import Any

import pytest

from .conftest import PRESET_SECRET, Serve
from .ledger import Ledger
from .oauth_client import CALLBACK, METHODS, OAuthClient
from .person import Person
from .raw import find_query
from .refused import RefusedError
from .stage import Stage, client, person, stage

__all__ = ["client", "person", "stage"]
ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"]


@pytest.mark.parametrize("algorithm", ["oauth2", "oidc"])
def test_the_documents_lead_from_the_address_to_the_endpoints(
    client: OAuthClient, stage: Stage, algorithm: str
) -> None:
    """Required by RFC 9728 §3 and RFC 8414 §3; and where clients look for OpenID Connect Discovery: our
    choice.
    """
    found = client.do("discover", algorithm=algorithm)
    assert found["resource"]["resource"] == stage.server.mcp_url
    assert found["server"]["issuer"] == stage.server.issuer
    assert found["server"]["authorization_response_iss_parameter_supported"] is True


def test_the_challenge_can_be_read(client: OAuthClient, stage: Stage) -> None:
    """Required by RFC 9110 §11.6.1, RFC 6750 §3, RFC 9449 §7.1 and RFC 9728 §5.1."""
    with pytest.raises(RefusedError) as refusal:
        client.add(1, 2, token="omt_at_" + "x" * 43)
    challenge, beside = refusal.value.data["challenges"]
    assert (beside["scheme"], "ES256" in beside["parameters"]["algs"]) == ("dpop", True)
    assert (refusal.value.data["status"], challenge["scheme"]) == (401, "bearer")
    assert challenge["parameters"]["error"] == "invalid_token"
    document = f"{stage.server.issuer}/.well-known/oauth-protected-resource/mcp"
    assert challenge["parameters"]["resource_metadata"] == document


@pytest.mark.parametrize("method", METHODS)
def test_a_registered_client_gets_tokens_refreshes_and_gives_them_back(
    client: OAuthClient, person: Person, method: str
) -> None:
    """Required by RFC 7591 §3.2.1, RFC 6749 §2.3, §4.1 and §6, RFC 7636, RFC 9207, RFC 7009."""
    registered = client.register(method)
    assert registered["token_endpoint_auth_method"] == method
    assert ("client_secret" in registered) == method.startswith("client_secret_")
    first = client.approve(person)
    assert (first["token_type"], first["scope"], first["expires_in"]) == ("bearer", "mcp", 3600)
    assert client.add(2, 3) == 5

    second = client.do("refresh")
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert client.add(3, 4) == 7

    client.do("revoke", token=second["access_token"], hint="access_token")
    with pytest.raises(RefusedError, match="challenge") as refusal:
        client.add(1, 1)
    assert refusal.value.data["challenges"][0]["parameters"]["error"] == "invalid_token"
    third = client.do("refresh")
    client.do("revoke", token=third["refresh_token"])
    for command in ("refresh", "refresh"):
        with pytest.raises(RefusedError) as refusal:
            client.do(command)
        assert (refusal.value.code, refusal.value.data["status"]) == ("invalid_grant", 400)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_client_signs_with_each_algorithm(client: OAuthClient, person: Person, algorithm: str) -> None:
    """Required by RFC 7523 §2.2 and RFC 7518 §3.1, RFC 9864 for Ed25519 by its own name."""
    client.register("private_key_jwt", algorithm=algorithm)
    client.approve(person)
    assert client.add(2, 3) == 5
    client.do("refresh")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_preset_client_has_a_secret_of_any_characters(
    client: OAuthClient, person: Person, method: str
) -> None:
    """Required by RFC 6749 §2.3.1 and appendix B: this client encodes the secret as they say."""
    client.do("discover")
    preset = {
        "client_id": "preset",
        "client_secret": PRESET_SECRET,
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": method,
    }
    client.do("use", client=preset)
    client.approve(person, scope="mcp")
    assert client.add(2, 3) == 5


def test_a_person_who_says_no_is_told_to_the_client(client: OAuthClient, person: Person) -> None:
    """Required by RFC 6749 §4.1.2.1 and RFC 9207 §2: the error comes with `iss` and `state`."""
    client.register("none")
    denied = person.deny(client.do("authorize"))
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=denied)
    assert (refusal.value.name, refusal.value.code) == ("AuthorizationResponseError", "access_denied")
    assert find_query(denied).keys() == {"error", "error_description", "iss", "state"}


def test_a_response_of_another_server_is_not_taken(client: OAuthClient, person: Person) -> None:
    """Required by RFC 9207 §2.4: the client holds `iss` against the document, and `state` against its own."""
    client.register("none")
    callback = person.approve(client.do("authorize"))
    for name in ("iss", "state"):
        other = callback.replace(f"{name}=", f"{name}=x")
        with pytest.raises(RefusedError, match=f'unexpected "{name}"'):
            client.do("redeem", callback=other)
    client.do("redeem", callback=callback)
    assert client.add(2, 3) == 5


def test_a_code_is_good_once_and_with_its_verifier(client: OAuthClient, person: Person) -> None:
    """Required by RFC 6749 §4.1.2 and RFC 7636 §4.6: a second use ends what the first one got."""
    client.register("none")
    callback = person.approve(client.do("authorize"))
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=callback, verifier="v" * 43)
    assert refusal.value.code == "invalid_grant"
    callback = person.approve(client.do("authorize"))
    client.do("redeem", callback=callback)
    assert client.add(2, 3) == 5
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=callback)
    assert refusal.value.code == "invalid_grant"
    with pytest.raises(RefusedError, match="challenge"):
        client.add(2, 3)


def test_a_wrong_secret_is_no_client(client: OAuthClient) -> None:
    """Required by RFC 6749 §5.2 and RFC 9110 §15.5.2: 401, with a challenge."""
    client.do("discover")
    wrong = {"client_id": "preset", "client_secret": "not the secret", "redirect_uris": [CALLBACK]}
    for method in ("client_secret_basic", "client_secret_post"):
        client.do("use", client=wrong | {"token_endpoint_auth_method": method})
        with pytest.raises(RefusedError) as refusal:
            client.do("refresh", token="omt_rt_" + "x" * 65)
        assert refusal.value.data["status"] == 401
        assert [one["scheme"] for one in refusal.value.data["challenges"]] == ["basic"]


def test_a_client_registers_with_the_token_that_it_was_given(serve: Serve, ledger: Ledger) -> None:
    """Required by RFC 7591 §3: an initial access token; without it, or with another, there is no
    registration.
    """
    token = "initial-token-0123456789-0123456789"
    ledger.note(token)
    server = serve(registration={"initial_access_tokens": [token]})
    client = OAuthClient(server, ledger)
    wrong: list[dict[str, Any]] = [{}, {"initialAccessToken": "another-token-0123456789"}]
    for given in wrong:
        with pytest.raises(RefusedError) as refusal:
            client.register("none", **given)
        assert refusal.value.data["status"] == 401
    assert client.register("none", initialAccessToken=token)["client_id"]
    client.close()


def test_another_server_asks_what_a_token_is_good_for(serve: Serve, ledger: Ledger) -> None:
    """Required by RFC 7662 §2: it learns of tokens for what it guards, and of no others."""
    elsewhere = "https://files.example.com/mcp"
    guard = {"server_id": "files", "server_secret": "files secret: 100%", "resources": [elsewhere]}
    server = serve(resource_servers=[guard | {"scope": "files"}])
    client, asking = OAuthClient(server, ledger), OAuthClient(server, ledger)
    asking.do("discover")
    for method in ("client_secret_basic", "client_secret_post"):
        credentials = {"client_id": "files", "client_secret": guard["server_secret"]}
        asking.do("use", client=credentials | {"token_endpoint_auth_method": method})
        with Person(server.issuer, ledger) as person:
            registered = client.register("none")
            theirs = client.approve(person, parameters={"resource": elsewhere})["access_token"]
            ours = client.approve(person)["access_token"]
        told = asking.do("introspect", token=theirs)
        assert (told["active"], told["client_id"], told["aud"]) == (True, registered["client_id"], elsewhere)
        assert asking.do("introspect", token=ours) == {"active": False}
        client.do("revoke", token=theirs)
        assert asking.do("introspect", token=theirs) == {"active": False}
    client.close()
    asking.close()
