"""HTTPS by the server itself, without a proxy."""

import ssl
from pathlib import Path

import httpx
import pytest

from .certificate import write_certificate
from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .raw import RawClient


@pytest.fixture
def server(serve: Serve, tmp_path: Path) -> ServerProcess:
    """With a certificate that it signed itself, for localhost and 127.0.0.1."""
    write_certificate(tmp_path)
    return serve(server={"tls_certificate": "certificate.pem", "tls_private_key": "key.pem"})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_whole_way_goes_over_https(server: ServerProcess, ledger: Ledger, name: str) -> None:
    """Required by RFC 6749 §3.1 and §3.2; the browser's cookie is bound to the host and to https."""
    context = ssl.create_default_context(cafile=server.folder / "certificate.pem")
    issuer = server.issuer.replace("127.0.0.1", name)
    assert issuer.startswith("https://")
    with (
        Person(issuer, ledger, verify=context) as person,
        RawClient(issuer, ledger, verify=context) as raw,
    ):
        document = raw.http.get(f"{issuer}/.well-known/oauth-authorization-server").json()
        assert document["issuer"] == issuer
        raw.connect(person)
        assert raw.call_tool("add", {"a": 2, "b": 3}).json()["result"]["structuredContent"] == 5
        cookies = person.cookies
    names = {"__Host-omnitornado_session", "__Host-omnitornado_departed"}
    assert {cookie.name for cookie in cookies} == names
    assert all(cookie.secure for cookie in cookies)


def test_a_client_without_tls_is_turned_away_quietly(server: ServerProcess) -> None:
    """Our choice: plain HTTP to the TLS port costs one line of the log, and no stack trace."""
    server.expected.append(r"tornado\.general SSL Error .* HTTP_REQUEST")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.issuer.replace('https', 'http')}/healthz")
