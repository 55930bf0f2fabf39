"""Answers: their framing, who may write how much, and how a connection ends after them."""

import asyncio
import logging

import pytest
from tornado.httputil import HTTPHeaders, ResponseStartLine

from omnitornado.speed.connection import Peer, SpeedConnection
from omnitornado.speed.head import parse_head
from omnitornado.speed.limits import Limits

from .site import Site, run, until

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


def test_an_answer_of_unknown_length_is_chunked(kind: str) -> None:
    """Required by RFC 9112 §7.1."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/parts")
        data = await client.read_until(b"0\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in data
        assert data.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")
        client.send(GET % b"/a")
        assert (await client.read_answer())[1] == b"/a"
        client.close()

    run(kind, scenario)


def test_to_http_1_0_its_end_is_the_connections_end() -> None:
    """Required by RFC 9112 §6.3 (8): HTTP/1.0 knows no chunks."""

    async def scenario(site: Site) -> None:
        answer = await site.exchange(b"GET /parts HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        assert b"Transfer-Encoding" not in answer
        assert b"Connection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\nonetwothree")

    run("speed", scenario)


@pytest.mark.parametrize(
    "request_head", [b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", (GET % b"/a")[:-2] + b"Connection: close\r\n\r\n"]
)
def test_a_connection_that_shall_end_does(kind: str, request_head: bytes) -> None:
    """Required by RFC 9112 §9.3 and §9.6; what is sent behind it gets no answer."""

    async def scenario(site: Site) -> None:
        answer = await site.exchange(request_head + GET % b"/b")
        assert answer.endswith(b"\r\n\r\n/a")
        assert site.diary.begun == ["/a"] or kind == "tornado"

    run(kind, scenario)


def test_http_1_0_may_ask_to_stay(kind: str) -> None:
    """Required by RFC 9112 §9.3; the answer says that it does."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        for _ in range(2):
            client.send(b"GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            head, body = await client.read_answer()
            assert b"connection: keep-alive\r\n" in head.lower()
            assert body == b"/a"
        client.close()

    run(kind, scenario)


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_answers_without_a_body_have_neither_body_nor_framing(kind: str, status: bytes) -> None:
    """Required by RFC 9112 §6.3 (1): the next answer follows at once."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % (b"/empty?status=" + status) + GET % b"/a")
        head = await client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"Transfer-Encoding" not in head
        assert (await client.read_answer())[1] == b"/a"
        client.close()

    run(kind, scenario)


def test_head_gets_the_head_alone(kind: str) -> None:
    """Required by RFC 9110 §9.3.2."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(b"HEAD /empty?status=200 HTTP/1.1\r\nHost: a\r\n\r\n" + GET % b"/a")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await client.read_answer())[1] == b"/a"
        client.close()

    run(kind, scenario)


@pytest.mark.parametrize("wrote", [b"4", b"6"])
def test_a_body_that_is_not_as_long_as_it_says_ends_the_connection(
    kind: str, wrote: bytes, log: pytest.LogCaptureFixture
) -> None:
    """Our choice: the client must not take the next answer for its rest."""

    async def scenario(site: Site) -> None:
        answer = await site.exchange(GET % (b"/length?wrote=" + wrote) + GET % b"/a")
        assert answer.count(b"HTTP/1.1") <= 1
        assert site.diary.begun == ["/length"] or kind == "tornado"
        log.clear()

    run(kind, scenario)


@pytest.mark.parametrize(("name", "value"), [("X", "a\r\nY: b"), ("X", "a\nb"), ("X\r", "a"), ("X", "a\r")])
def test_no_header_can_break_out_of_its_line(name: str, value: str) -> None:
    """Required by RFC 9110 §5.5."""
    head = parse_head(GET % b"/", Limits())
    protocol = type("Protocol", (), {"is_stopping": False, "is_lost": False})()
    connection = SpeedConnection(protocol, head, Peer("127.0.0.1", "http"), 0)
    headers = HTTPHeaders()
    headers._as_list[name] = [value]
    with pytest.raises(ValueError, match="CR or LF"):
        connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers)


def test_an_early_answer_arrives_though_the_client_still_sends() -> None:
    """Required by RFC 9112 §9.6: closing with unread input would reset the connection, and the answer with
    it.
    """

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(
            b"POST /stream?refused=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"x" * 100_000
        )
        head, body = await client.read_answer()
        assert head.startswith(b"HTTP/1.1 403 ")
        assert body == b"no"
        client.send(b"x" * 100_000)
        await client.writer.drain()
        assert await client.read_end() == b""
        assert len(site.server.connections) == 1
        client.close()
        await until(lambda: not site.server.connections)

    run("speed", scenario)


def test_a_client_that_sends_on_and_on_is_not_heard_for_ever(log: pytest.LogCaptureFixture) -> None:
    """Our choice: `max_lingered` bytes and `linger` seconds."""

    async def scenario(site: Site) -> None:
        for seconds in (0.0, 3.0):
            client = await site.open()
            client.send(b"BAD\r\n\r\n")
            assert (await client.read_end()).startswith(b"HTTP/1.1 400 ")
            if seconds:
                site.pass_time(seconds)
            else:
                client.send(b"x" * 2000)
            await until(lambda: not site.server.connections)
            client.close()

    run("speed", scenario, max_lingered=1000)


def test_a_writer_waits_for_a_slow_reader_and_the_reader_is_given_up() -> None:
    """Our choice: `write_buffer` bytes may wait for it, `idle_timeout` seconds without progress."""

    async def scenario(site: Site) -> None:
        client = await site.open(limit=1000)
        client.send(GET % b"/flood")
        await until(lambda: site.server.connections and site.connection._writers)
        written = site.diary.written
        for _ in range(100):
            await asyncio.sleep(0)
        assert site.diary.written == written
        site.pass_time(299)
        assert site.diary.left == []
        site.pass_time(2)
        await until(lambda: not site.server.connections)
        assert site.diary.left == ["/flood"]
        client.close()

    run("speed", scenario)


def test_a_slow_reader_that_reads_is_kept() -> None:
    """Our choice: what counts is progress."""

    async def scenario(site: Site) -> None:
        client = await site.open(limit=1000)
        client.send(GET % b"/flood")
        await until(lambda: site.server.connections and site.connection._writers)
        for _ in range(3):
            for _ in range(100):
                await client.reader.read(65536)
            await until(lambda: site.connection._writers)
            site.pass_time(200)
        assert site.diary.left == []
        client.close()
        await until(lambda: not site.server.connections)
        assert site.diary.left == ["/flood"]

    run("speed", scenario)


def test_the_log_of_a_refusal_is_quiet(log: pytest.LogCaptureFixture) -> None:
    """Our choice: strangers don't fill the log with warnings."""

    async def scenario(site: Site) -> None:
        with log.at_level(logging.INFO, logger="tornado.general"):
            await site.exchange(b"BAD\r\n\r\n")
        assert "Malformed HTTP message from 127.0.0.1" in log.text

    run("speed", scenario)
