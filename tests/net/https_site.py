"""A web site on this machine, with TLS and whatever bytes a test wants it to send, under names of its own."""

import asyncio
import datetime
import functools
import ipaddress
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omnitornado.net.guarded_fetch import GuardedFetch
from omnitornado.net.resolver import SocketAddress

NAMES = ("client.example", "other.example", "localhost")
"""What the certificate is good for, beside 127.0.0.1."""

Answer = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Asked(msgspec.Struct, frozen=True):
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@functools.cache
def make_pem() -> tuple[bytes, bytes]:
    """A certificate that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    names = [*map(x509.DNSName, NAMES), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
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
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@functools.cache
def make_certificate() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the server, and for a client that trusts it."""
    certificate, private = make_pem()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "both.pem").write_bytes(private + certificate)
        server.load_cert_chain(Path(folder) / "both.pem")
    return server, ssl.create_default_context(cadata=certificate.decode())


def make_certificate_files(folder: Path) -> Path:
    """The certificate alone, in a file for programs that are to trust it."""
    path = folder / "trusted.pem"
    path.write_bytes(make_pem()[0])
    return path


class HttpsSite:
    """What the site says to each path, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.accepted = 0

    def build_url(self, path: str, host: str = NAMES[0]) -> str:
        return f"https://{host}:{self.port}{path}"

    def publish(self, path: str, document: object, *, host: str = NAMES[0], **headers: str) -> str:
        """Serve a JSON document; gives its address. `headers` with `_` for `-`."""
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        self.pages[path] = build_answer(body, **headers)
        return self.build_url(path, host)

    async def resolve(self, host: str, port: int) -> Sequence[SocketAddress]:
        """Every name leads here."""
        return [(socket.AF_INET, ("127.0.0.1", port))]

    def build_fetch(self, **changed: object) -> GuardedFetch:
        """A guarded fetch that trusts the site's certificate and takes this machine for a public address."""
        options: dict[str, object] = {
            "resolve": self.resolve,
            "is_allowed": lambda address: address == "127.0.0.1",
            "tls": make_certificate()[1],
        }
        return GuardedFetch(**(options | changed))  # type: ignore[arg-type]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            answer = self.pages.get(await self._read_request(reader), build_answer(b"{}", status="404 Gone"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(Asked(method, path, headers, body))
        return path


def build_answer(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer, byte for byte."""
    sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def open_site() -> AsyncIterator[HttpsSite]:
    """A site on a free port of 127.0.0.1."""
    site = HttpsSite(0)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(site.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=make_certificate()[0])
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
