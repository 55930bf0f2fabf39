"""Requests on a real connection, by each of the two: what is taken, and what must reach no handler."""

import asyncio

import pytest

from .site import Client, Site, run, until

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"


def test_a_connection_serves_one_request_after_the_other(kind: str) -> None:
    """Required by RFC 9112 §9.3."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        for path in (b"/a", b"/b"):
            client.send(GET % path)
            head, body = await client.read_answer()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body == path
        client.send(POST + b"Content-Length: 3\r\n\r\nabc")
        assert (await client.read_answer())[1] == b"abc"
        client.close()

    run(kind, scenario)


@pytest.mark.parametrize("path", [b"/a", b"/stream"])
def test_pipelined_requests_are_answered_in_order(kind: str, path: bytes) -> None:
    """Required by RFC 9112 §9.3.2."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        request = POST.replace(b"/a", path)
        chunked = request + b"Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        client.send(GET % b"/wait" + chunked + request + b"Content-Length: 5\r\n\r\nthree" + GET % b"/four")
        await until(lambda: site.diary.begun)
        assert site.diary.begun == ["/wait"]
        site.diary.gate.set()
        answers = [(await client.read_answer())[1] for _ in range(4)]
        assert answers == [b"waited", b"two", b"three", b"/four"]
        client.close()

    run(kind, scenario)


SMUGGLED = GET % b"/smuggled"
REFUSED = {
    "length and coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding, then another": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded line": POST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL": POST + b"X: a\x00b\r\n\r\n",
    "bare CR": POST + b"X: a\rContent-Length: 4\r\n\r\n",
    "no Host": b"GET /a HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "HTTP/2": b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n",
    "spaces in the target": b"GET /a /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunk extension": POST + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
    "trailer field": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n\r\n",
    "chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "chunk size with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "body over the limit": POST + b"Content-Length: 2000\r\n\r\n" + b"x" * 2000,
    "chunks over the limit": POST
    + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"
    + b"x" * 2000
    + b"\r\n0\r\n\r\n",
    "head over the limit": b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_request_ends_the_connection_and_nothing_behind_it_is_served(
    kind: str, data: bytes
) -> None:
    """Required by RFC 9112 §6.3 and §11.2: after it nobody knows where the next request begins."""

    async def scenario(site: Site) -> None:
        answer = await site.exchange(data + SMUGGLED)
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"413", b"431")
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert site.diary.begun == []

    run(kind, scenario, max_body=1000, max_head=2000)


STRICT = {
    "bare LF": b"GET /a HTTP/1.1\nHost: a\n\n",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "chunks in HTTP/1.0": b"POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", STRICT.values(), ids=STRICT.keys())
def test_the_fast_connection_is_the_stricter_one(data: bytes) -> None:
    """Our choice, where Tornado's connection is lenient."""

    async def scenario(site: Site) -> None:
        assert (await site.exchange(data)).startswith(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n")
        assert site.diary.begun == []

    run("speed", scenario)


@pytest.mark.parametrize("path", [b"/a", b"/stream"])
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_a_request_may_come_in_any_pieces(kind: str, path: bytes, size: int) -> None:
    """Our choice: TCP promises nothing else."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        request = POST.replace(b"/a", path)
        data = request + b"Content-Length: 3\r\n\r\nabc" + request + b"Transfer-Encoding: chunked\r\n\r\n"
        data += b"2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
        for start in range(0, len(data), size):
            client.send(data[start : start + size])
            await asyncio.sleep(0)
        assert [(await client.read_answer())[1] for _ in range(2)] == [b"abc", b"def"]
        client.close()

    run(kind, scenario)


def test_empty_lines_before_a_request_are_passed_over() -> None:
    """Required by RFC 9112 §2.2."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(b"\r\n" + GET % b"/a" + b"\r\n\r\n" + GET % b"/b")
        assert [(await client.read_answer())[1] for _ in range(2)] == [b"/a", b"/b"]
        client.close()

    run("speed", scenario)


def test_an_empty_line_that_comes_by_itself_and_in_halves_is_passed_over() -> None:
    """Required by RFC 9112 §2.2."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        for piece in (b"\r\n", b"\r", b"\n"):
            client.send(piece)
            await until(lambda: site.connection._buffer in (b"", b"\r"))
            await asyncio.sleep(0)
        client.send(GET % b"/a")
        assert (await client.read_answer())[1] == b"/a"
        client.close()

    run("speed", scenario)


def test_a_client_that_waits_to_be_asked_is_asked(kind: str) -> None:
    """Required by RFC 9110 §10.1.1."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(POST.replace(b"/a", b"/stream") + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        client.send(b"abc")
        assert (await client.read_answer())[1] == b"abc"
        client.close()

    run(kind, scenario)


def test_a_client_is_not_asked_for_a_body_that_is_refused(kind: str) -> None:
    """Required by RFC 9110 §10.1.1: the final answer comes in its place."""

    async def scenario(site: Site) -> None:
        request = (
            POST.replace(b"/a", b"/stream?refused=1") + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        answer = await site.exchange(request)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.endswith(b"no")

    run(kind, scenario)


def test_http_1_0_is_not_asked() -> None:
    """Required by RFC 9110 §10.1.1."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        head = b"POST /stream HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        client.send(head)
        await until(lambda: site.diary.begun)
        client.send(b"abc")
        assert (await client.read_end()).startswith(b"HTTP/1.1 200 ")
        client.close()

    run("speed", scenario)


def test_a_handler_sets_the_limit_for_its_request(kind: str) -> None:
    """Our choice: `set_max_body_size`, before the body."""

    async def scenario(site: Site) -> None:
        request = POST.replace(b"/a", b"/stream?limit=2000") + b"Content-Length: 1500\r\n\r\n" + b"x" * 1500
        client = await site.open()
        client.send(request)
        assert (await client.read_answer())[1] == b"x" * 1500
        client.send(request.replace(b"limit=2000", b"limit=1200"))
        answer = await client.read_end()
        assert answer.split(b" ")[1] in (b"400", b"413")
        assert site.diary.left == ["/stream"]
        client.close()

    run(kind, scenario, max_body=1000)


def test_a_handler_that_is_not_ready_holds_its_body_back() -> None:
    """Our choice: no more than `read_ahead` and one read is kept for it; TCP holds the rest."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        body = b"x" * 3_000_000
        head = POST.replace(b"/a", b"/stream?gated=1") + b"Content-Length: %d\r\n\r\n" % len(body)
        client.send(head + body)
        await until(lambda: site.server.connections and site.connection._is_reading_paused)
        assert len(site.connection._buffer) < 600_000
        site.diary.gate.set()
        assert (await client.read_answer())[1] == body
        client.close()

    run("speed", scenario, read_ahead=1000, max_body=4_000_000)


def test_requests_sent_ahead_are_held_back() -> None:
    """Our choice: as long as an answer is due, `read_ahead` and one read is all that is kept."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        many = 20_000
        client.send(GET % b"/wait" + GET % b"/b" * many)
        await until(lambda: site.server.connections and site.connection._is_reading_paused)
        assert len(site.connection._buffer) < 600_000
        assert site.diary.begun == ["/wait"]
        site.diary.gate.set()
        await client.read_answer()
        for _ in range(many):
            assert (await client.read_answer())[1] == b"/b"
        client.close()

    run("speed", scenario, read_ahead=1000)


def test_whoever_reads_no_answers_gets_no_more_of_them() -> None:
    """Our choice: the next request waits until there is room for its answer."""

    async def scenario(site: Site) -> None:
        client: Client = await site.open(limit=1000)
        body = b"x" * 100_000
        client.send((POST + b"Content-Length: %d\r\n\r\n" % len(body) + body) * 200)
        await until(lambda: site.server.connections and site.connection._writers is not None)
        served = len(site.diary.begun)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(site.diary.begun) == served < 200
        for _ in range(200):
            assert (await client.read_answer())[1] == body
        client.close()

    run("speed", scenario)
