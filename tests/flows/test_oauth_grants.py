"""oauth4webapi, a generic OAuth client, by the ways to a token beside the plain authorization code."""

import pytest

from .conftest import Serve
from .ledger import Ledger
from .oauth_client import METHODS, OAuthClient
from .person import Person
from .raw import find_query
from .refused import RefusedError
from .stage import client, person, stage

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
__all__ = ["client", "person", "stage"]


@pytest.mark.parametrize("method", METHODS)
def test_a_client_pushes_its_request(client: OAuthClient, person: Person, method: str) -> None:
    """Required by RFC 9126 §2 and §4: nothing but a name goes by way of the browser, and it is good once."""
    client.register(method)
    pushed = client.do("push", scope="mcp")
    assert find_query(pushed["url"]).keys() == {"client_id", "request_uri"}
    assert pushed["expires_in"] == 600
    client.do("redeem", callback=person.approve(pushed["url"]))
    assert client.add(2, 3) == 5
    page = person.open(pushed["url"])
    assert (page.status, "start again in the app" in page.text) == (400, True)
    denied = person.deny(client.do("push")["url"])
    with pytest.raises(RefusedError) as refusal:
        client.do("redeem", callback=denied)
    assert refusal.value.code == "access_denied"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"redirect_uri": "https://elsewhere.example/"}, "invalid_request"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_what_is_wrong_with_a_pushed_request_is_told_at_once(
    client: OAuthClient, wrong: dict[str, str], code: str
) -> None:
    """Required by RFC 9126 §2.3: as JSON, to the client."""
    client.register("none")
    with pytest.raises(RefusedError) as refusal:
        client.do("push", parameters=wrong)
    assert (refusal.value.name, refusal.value.code) == ("ResponseBodyError", code)
    assert refusal.value.data["status"] == 400


@pytest.mark.parametrize("method", METHODS)
def test_a_device_is_let_in_refreshes_and_gives_its_tokens_back(
    client: OAuthClient, person: Person, method: str
) -> None:
    """Required by RFC 8628 §3: the device never sees a browser."""
    client.register(method, grant_types=[DEVICE_CODE, "refresh_token"])
    codes = client.do("askDevice", parameters={"scope": "mcp"})
    with pytest.raises(RefusedError) as refusal:
        client.do("poll", deviceCode=codes["device_code"])
    assert refusal.value.code == "authorization_pending"
    assert "Your device is connected" in person.let_in(codes)
    first = client.do("poll", deviceCode=codes["device_code"])
    assert (first["token_type"], first["scope"]) == ("bearer", "mcp")
    assert client.add(2, 3) == 5
    second = client.do("refresh")
    assert client.add(3, 4) == 7
    client.do("revoke", token=second["refresh_token"])
    with pytest.raises(RefusedError, match="challenge"):
        client.add(1, 1)


def test_a_person_who_denies_a_device_is_told_to_it(client: OAuthClient, person: Person) -> None:
    """Required by RFC 8628 §3.5."""
    client.register("none", grant_types=[DEVICE_CODE])
    codes = client.do("askDevice")
    person.let_in(codes, "deny")
    with pytest.raises(RefusedError) as refusal:
        client.do("poll", deviceCode=codes["device_code"])
    assert refusal.value.code == "access_denied"


def test_a_server_takes_pushed_requests_alone(serve: Serve, ledger: Ledger) -> None:
    """Required by RFC 9126 §4 and §5: any other request is refused, and the client is told."""
    server = serve(pushed_requests={"required": True})
    client = OAuthClient(server, ledger)
    client.register("client_secret_basic")
    with Person(server.issuer, ledger) as person:
        refused = person.open(client.do("authorize")).url
        with pytest.raises(RefusedError) as refusal:
            client.do("redeem", callback=refused)
        assert refusal.value.code == "invalid_request"
        client.approve_pushed(person)
        assert client.add(2, 3) == 5
    client.close()
