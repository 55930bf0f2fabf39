"""How requests and connections end before their time: clients that leave, times that run out, a server that
stops.
"""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from .site import Site, run, until

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("leave", ["close", "abort", "half"])
def test_a_handler_is_told_once_that_its_client_has_left(kind: str, leave: str) -> None:
    """Our choice, as Tornado's: a client that closes its half counts as gone."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/wait")
        await until(lambda: site.diary.begun)
        if leave == "half":
            client.writer.write_eof()
        elif leave == "abort":
            client.writer.transport.abort()
        else:
            client.close()
        await until(lambda: site.diary.left)
        site.diary.gate.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert site.diary.left == ["/wait"]
        client.close()

    run(kind, scenario)


@pytest.mark.parametrize(
    "sent", [STREAM, STREAM + b"half", STREAM.replace(b"stream", b"stream?gated=1") + b"all of it!"]
)
def test_a_handler_is_told_once_that_its_body_will_not_come(kind: str, sent: bytes) -> None:
    """Our choice, as Tornado's; also where the handler was not yet ready for it."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(sent)
        await until(lambda: site.diary.begun)
        client.close()
        if b"gated" in sent and kind == "tornado":
            site.diary.gate.set()  # Tornado looks no sooner
            return
        await until(lambda: site.diary.left)
        site.diary.gate.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert site.diary.left == ["/stream"]

    run(kind, scenario)


def test_a_finished_request_is_no_longer_told_anything(kind: str) -> None:
    """Our choice, as Tornado's."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/a")
        await client.read_answer()
        client.close()
        for _ in range(50):
            await asyncio.sleep(0)
        assert site.diary.left == []

    run(kind, scenario)


def test_an_answer_is_free_of_its_handler() -> None:
    """Our choice: a connection that waits for its next request holds nothing of the last."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/a")
        await client.read_answer()
        assert site.connection._current is None
        assert site.connection._buffer == b""
        client.close()

    run("speed", scenario)


def test_a_head_has_its_time() -> None:
    """Required by RFC 9110 §15.5.9 (408)."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(b"GET / HTTP/1.1\r\nHost:")
        await until(lambda: site.server.connections and site.connection._buffer)
        site.pass_time(29)
        assert not site.connection._is_lingering
        client.send(b" a\r\n")  # another byte is no more time
        await until(lambda: site.connection._buffer.endswith(b"a\r\n"))
        site.pass_time(2)
        assert (await client.read_end()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert site.diary.begun == []
        client.close()

    run("speed", scenario)


def test_a_body_has_its_time() -> None:
    """Required by RFC 9110 §15.5.9; its handler is told, once."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(STREAM)
        await until(lambda: site.diary.begun and site.connection._current and site.connection._current.body)
        client.send(b"half")
        await until(lambda: site.connection._current and site.connection._current.body)
        site.pass_time(31)
        assert (await client.read_end()).startswith(b"HTTP/1.1 408 ")
        assert site.diary.left == ["/stream"]
        client.close()

    run("speed", scenario)


def test_a_handler_may_take_its_time() -> None:
    """Our choice: what the connection limits is the client's time alone."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/wait")
        await until(lambda: site.diary.begun)
        site.pass_time(10_000)
        site.diary.gate.set()
        assert (await client.read_answer())[1] == b"waited"
        client.close()

    run("speed", scenario)


@pytest.mark.parametrize(("begin", "seconds"), [(b"", 30), (GET % b"/a", 300)])
def test_an_idle_connection_is_closed_without_a_word(begin: bytes, seconds: float) -> None:
    """Our choice: nobody has asked anything."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        await until(lambda: site.server.connections)
        if begin:
            client.send(begin)
            await client.read_answer()
        site.pass_time(seconds - 1)
        assert len(site.server.connections) == 1
        site.pass_time(2)
        assert await client.read_end() == b""
        client.close()

    run("speed", scenario)


def test_a_server_that_stops_lets_answers_finish_and_says_that_it_ends() -> None:
    """Required by RFC 9112 §9.6: Connection: close on the last answer."""

    async def scenario(site: Site) -> None:
        busy, idle = await site.open(), await site.open()
        busy.send(GET % b"/wait" + GET % b"/b")
        idle.send(GET % b"/a")
        await idle.read_answer()
        await until(lambda: "/wait" in site.diary.begun)
        site.server.stop()
        with pytest.raises(ConnectionRefusedError):
            await site.open()
        site.diary.gate.set()
        answer = await busy.read_end()
        assert b"Connection: close\r\n" in answer
        assert answer.endswith(b"waited")
        assert "/b" not in site.diary.begun
        await site.server.close_all_connections()
        assert await idle.read_end() == b""
        busy.close()
        idle.close()

    run("speed", scenario)


def test_a_server_that_ends_waits_for_no_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: `CLOSE_PATIENCE`, here none."""
    monkeypatch.setattr("omnitornado.speed.server.CLOSE_PATIENCE", 0.0)

    async def scenario(site: Site) -> None:
        client = await site.open(limit=1000)
        client.send(GET % b"/flood")
        await until(lambda: site.server.connections and site.connection._writers)
        site.server.stop()
        await asyncio.wait_for(site.server.close_all_connections(), 5)
        assert site.diary.left == ["/flood"]
        client.close()

    run("speed", scenario)


def build_certificate(folder: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(
        now + datetime.timedelta(1)
    )
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def test_the_same_over_tls(tmp_path: Path) -> None:
    """Our choice: the connection does TLS itself. Keep-alive, a refusal, a client that leaves."""

    async def scenario(site: Site) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        client = await site.open(ssl=trusting)
        for path in (b"/a", b"/b"):
            client.send(GET % path)
            assert (await client.read_answer())[1] == path
        client.send(b"BAD\r\n\r\n")
        assert (await client.read_end()).startswith(b"HTTP/1.1 400 ")
        client.close()
        leaving = await site.open(ssl=trusting)
        leaving.send(GET % b"/wait")
        await until(lambda: "/wait" in site.diary.begun)
        leaving.writer.transport.abort()
        await until(lambda: site.diary.left)
        assert site.diary.left == ["/wait"]

    run("speed", scenario, tls=build_certificate(tmp_path))
