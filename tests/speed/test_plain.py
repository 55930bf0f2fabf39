"""Tornado's own connection with one timer for all: whoever keeps it waiting is closed, and nobody else."""

import pytest

from .site import Client, Site, run, until

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


async def check_open(site: Site, client: Client) -> None:
    client.send(GET % b"/open")
    assert (await client.read_answer())[1] == b"/open"


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost:", GET % b"/a", GET % b"/a" + b"G"])
def test_a_connection_without_a_whole_head_is_closed_after_its_time(begin: bytes) -> None:
    """Our choice: `idle_timeout` seconds until the next request's head has come."""

    async def scenario(site: Site) -> None:
        client, other = await site.open(), await site.open()
        client.send(begin)
        if b"/a" in begin:
            await client.read_answer()
        await until(lambda: len(site.server._deadlines) == 2)
        site.pass_time(200)
        await check_open(site, other)
        site.pass_time(99)
        assert len(site.server._deadlines) == 2
        site.pass_time(2)
        assert await client.read_end() == b""
        await check_open(site, other)
        client.close()
        other.close()
        await until(lambda: site.server._deadlines == {})

    run("tornado", scenario)


@pytest.mark.parametrize("path", [b"/a", b"/stream"])
def test_a_body_has_its_time(path: bytes) -> None:
    """Our choice: `body_timeout` seconds; a handler that has begun is told, once."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(POST % path + b"half")
        await until(lambda: site.server._deadlines and max(site.server._deadlines.values()) == 1030)
        site.pass_time(29)
        client.send(b"more")  # another byte is no more time
        site.pass_time(2)
        assert await client.read_end() == b""
        assert site.diary.left == ([] if path == b"/a" else ["/stream"])
        assert site.diary.bodies == []
        client.close()

    run("tornado", scenario)


def test_a_handler_may_take_its_time() -> None:
    """Our choice: what is limited is the client's time alone."""

    async def scenario(site: Site) -> None:
        client = await site.open()
        client.send(GET % b"/wait")
        await until(lambda: site.diary.begun)
        site.pass_time(10_000)
        site.diary.gate.set()
        assert (await client.read_answer())[1] == b"waited"
        client.close()

    run("tornado", scenario)


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\n\r\n", b"BAD\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nB\r\n\r\n"]
)
def test_nothing_is_kept_of_a_connection_that_was_refused(head: bytes) -> None:
    """Our choice."""

    async def scenario(site: Site) -> None:
        assert (await site.exchange(head)).startswith(b"HTTP/1.1 400 ")
        await until(lambda: site.server._deadlines == {})

    run("tornado", scenario)
