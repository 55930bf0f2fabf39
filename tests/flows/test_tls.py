"""HTTPS by the server itself, without a proxy."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)


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
