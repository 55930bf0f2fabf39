"""oauth4webapi as a client that proves a key with each request (DPoP)."""

import pytest

from .conftest import Serve
from .ledger import Ledger
from .oauth_client import OAuthClient
from .person import Person
from .refused import RefusedError
from .stage import client, person, stage

__all__ = ["client", "person", "stage"]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "Ed25519"])
def test_a_client_that_proves_a_key_gets_bound_tokens(
    client: OAuthClient, person: Person, algorithm: str
) -> None:
    """Required by RFC 9449 §5 and §7.1: code, refresh, and tool calls; with another key there is nothing."""
    client.register("none")
    client.do("bind", algorithm=algorithm)
    first = client.approve(person)
    assert first["token_type"] == "dpop"
    assert client.add(2, 3) == 5
    second = client.do("refresh")
    assert (second["token_type"], client.add(3, 4)) == ("dpop", 7)
    assert client.do("countNonceErrors") == 0

    client.do("unbind")
    with pytest.raises(RefusedError, match="challenge") as refusal:
        client.add(1, 1)
    schemes = [one["scheme"] for one in refusal.value.data["challenges"]]
    assert schemes == ["bearer", "dpop"]
    assert "ES256" in refusal.value.data["challenges"][1]["parameters"]["algs"]
    with pytest.raises(RefusedError) as refusal:
        client.do("refresh")
    assert refusal.value.code == "invalid_dpop_proof"
    client.do("bind", algorithm=algorithm)
    with pytest.raises(RefusedError, match="challenge"):
        client.add(1, 1)
    with pytest.raises(RefusedError) as refusal:
        client.do("refresh")
    assert refusal.value.code == "invalid_grant"


def test_a_code_is_bound_to_its_key_on_the_way(client: OAuthClient, person: Person) -> None:
    """Required by RFC 9449 §10: who takes the code and its verifier has not got the key."""
    client.register("none")
    jkt = client.do("bind", algorithm="ES256")["jkt"]
    callback = person.approve(client.do("authorize", parameters={"dpop_jkt": jkt}))
    client.do("bind", algorithm="ES256")
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=callback)
    assert refusal.value.code == "invalid_grant"


@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_a_client_takes_nonces_as_they_come(serve: Serve, ledger: Ledger, method: str) -> None:
    """Required by RFC 9449 §8 and §9: it is asked once, and knows the nonce everywhere from then on."""
    server = serve(dpop={"required": True, "token_nonces": True, "resource_nonces": True})
    client = OAuthClient(server, ledger)
    client.register(method, dpop_bound_access_tokens=True)
    with pytest.raises(RefusedError) as refusal:
        client.do("refresh", token="omt_rt_" + "x" * 65)
    assert refusal.value.code == "invalid_dpop_proof"
    client.do("bind", algorithm="ES256")
    with Person(server.issuer, ledger) as person:
        assert client.approve(person)["token_type"] == "dpop"
    assert client.add(2, 3) == 5
    assert client.do("refresh")["token_type"] == "dpop"
    assert client.add(3, 4) == 7
    assert client.do("countNonceErrors") == 1
    client.close()


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_client_whose_clock_is_wrong_gets_on_with_a_nonce(
    client: OAuthClient, person: Person, skew: int
) -> None:
    """Our choice: the refusal tells a nonce, and a proof with it is good whatever its `iat`."""
    client.register("none")
    client.do("bind", algorithm="ES256", skew=skew)
    callback = person.approve(client.do("authorize"))
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=callback)
    assert refusal.value.code == "invalid_dpop_proof"
    assert client.do("redeem", callback=callback)["token_type"] == "dpop"
    assert client.add(2, 3) == 5


def test_a_pushed_request_binds_its_code(client: OAuthClient, person: Person) -> None:
    """Required by RFC 9449 §10.1: the proof that comes with it stands for `dpop_jkt`."""
    client.register("none")
    client.do("bind", algorithm="ES256")
    callback = person.approve(client.do("push")["url"])
    client.do("bind", algorithm="ES256")
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=callback)
    assert refusal.value.code == "invalid_grant"
    assert client.approve_pushed(person)["token_type"] == "dpop"
    assert client.add(2, 3) == 5
