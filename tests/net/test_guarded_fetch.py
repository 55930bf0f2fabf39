"""The guarded fetch against a real site with TLS, and against everything that could lead it astray."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from omnitornado.net.fetched import Fetched, FetchError
from omnitornado.net.guarded_fetch import MAX_AT_ONCE, MAX_PER_ASKER, MAX_PER_HOST, GuardedFetch
from omnitornado.net.resolver import MAX_NAMES, SocketAddress, SystemResolver

from .https_site import HttpsSite, build_answer, open_site
from .test_public_address import PRIVATE

MAX = 5 * 1024

Scenario = Callable[[HttpsSite], Awaitable[None]]


def run(scenario: Scenario) -> None:
    async def with_site() -> None:
        async with open_site() as site:
            await scenario(site)

    asyncio.run(with_site())


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """The one assertion on a fetch that gives nothing."""
    with pytest.raises(FetchError) as caught:
        yield
    assert caught.value.reason == reason, str(caught.value)


async def until(is_so: Callable[[], object]) -> None:
    """Let the loop run until something is so; the test's own time limit bounds it."""
    while not is_so():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0)


def test_a_document_is_fetched() -> None:
    """Our choice: one plain request, with nothing of this server's in it."""

    async def scenario(site: HttpsSite) -> None:
        url = site.publish("/client.json?v=1", {"a": 1}, Cache_Control="max-age=60")
        fetched = await site.build_fetch().fetch(url, max_bytes=MAX)
        assert (fetched.url, fetched.status, fetched.body) == (url, 200, b'{"a":1}')
        assert fetched.headers["cache-control"] == "max-age=60"
        (asked,) = site.asked
        assert (asked.method, asked.path) == ("GET", "/client.json?v=1")
        assert asked.headers == {
            "host": f"client.example:{site.port}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "close",
            "user-agent": "omnitornado",
        }

    run(scenario)


def test_a_form_is_posted_where_somebody_asks_for_that() -> None:
    """Our choice: for a provider's token endpoint."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/token"] = build_answer(b"{}", status="400 Bad Request")
        fetched = await site.build_fetch().fetch(
            site.build_url("/token"),
            method="POST",
            body=b"a=b",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"},
            max_bytes=MAX,
        )
        assert fetched.status == 400
        assert site.asked[0].body == b"a=b"
        assert site.asked[0].headers["accept"] == "*/*"

    run(scenario)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_not_followed(status: str) -> None:
    """Required by the draft on client metadata documents: a redirect could lead anywhere."""

    async def scenario(site: HttpsSite) -> None:
        site.publish("/secret", {})
        site.pages["/"] = build_answer(b"", status=status, Location=site.build_url("/secret"))
        fetched = await site.build_fetch().fetch(site.build_url("/"), max_bytes=MAX)
        assert fetched.status == int(status[:3])
        assert [asked.path for asked in site.asked] == ["/"]

    run(scenario)


@pytest.mark.parametrize(
    "address", [*PRIVATE, "::1", "::ffff:127.0.0.1", "fe80::1", "fd00::1", "2002:7f00:1::", "64:ff9b::7f00:1"]
)
def test_a_name_that_leads_inside_is_not_asked(address: str) -> None:
    """Required by RFC 6890 as the draft on client metadata documents says: checked after resolution."""

    async def scenario(site: HttpsSite) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            return [(family, (address, port))]

        with refused("fetch_address"):
            await GuardedFetch(resolve=resolve).fetch(site.build_url("/"), max_bytes=MAX)
        assert site.accepted == 0

    run(scenario)


def test_one_address_inside_among_public_ones_is_enough_to_refuse() -> None:
    """Our choice: which of them would be tried first is a matter of luck."""

    async def scenario(site: HttpsSite) -> None:
        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            return [(socket.AF_INET, ("8.8.8.8", port)), (socket.AF_INET, ("127.0.0.1", port))]

        with refused("fetch_address"):
            await GuardedFetch(resolve=resolve).fetch(site.build_url("/"), max_bytes=MAX)

    run(scenario)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "user@client.example",
    ],
)
def test_another_spelling_of_an_address_is_not_asked(host: str) -> None:
    """Our choice: refused before anything is resolved."""

    async def scenario(site: HttpsSite) -> None:
        site.publish("/", {})
        with refused("fetch_url"):
            await site.build_fetch().fetch(f"https://{host}:{site.port}/", max_bytes=MAX)
        with refused("fetch_url"):
            await site.build_fetch().fetch(f"http://client.example:{site.port}/", max_bytes=MAX)
        assert site.accepted == 0

    run(scenario)


@pytest.mark.parametrize("host", ["localhost", "ip6-localhost", "localhost.localdomain"])
def test_the_system_resolver_does_not_lead_inside(host: str) -> None:
    """Our choice: the whole chain as it is in production, on a name that every machine has."""

    async def scenario(site: HttpsSite) -> None:
        with pytest.raises(FetchError) as caught:
            await GuardedFetch().fetch(site.build_url("/", host), max_bytes=MAX)
        assert caught.value.reason in ("fetch_address", "fetch_name")
        assert site.accepted == 0

    run(scenario)


def test_what_a_name_resolves_to_later_does_not_matter() -> None:
    """Our choice: the connection goes to the address that was checked (DNS rebinding)."""

    async def scenario(site: HttpsSite) -> None:
        url = site.publish("/", {})
        answers = iter(["127.0.0.1", "10.0.0.1", "10.0.0.1"])
        checked: list[str] = []

        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            return [(socket.AF_INET, (next(answers), port))]

        def is_allowed(address: str) -> bool:
            checked.append(address)
            return address == "127.0.0.1"

        fetch = site.build_fetch(resolve=resolve, is_allowed=is_allowed).fetch
        assert (await fetch(url, max_bytes=MAX)).status == 200
        assert checked == ["127.0.0.1"]
        with refused("fetch_address"):
            await fetch(url, max_bytes=MAX)

    run(scenario)


def test_the_certificate_is_checked_against_the_name(warnings: list[str]) -> None:
    """Required by RFC 9110 §4.3.4: pinning the address does not pin the host."""

    async def scenario(site: HttpsSite) -> None:
        site.publish("/", {})
        fetch = site.build_fetch().fetch
        assert (await fetch(site.build_url("/", "other.example"), max_bytes=MAX)).status == 200
        with refused("fetch_tls"):
            await fetch(site.build_url("/", "attacker.example"), max_bytes=MAX)
        with refused("fetch_tls"):
            await site.build_fetch(tls=ssl.create_default_context()).fetch(site.build_url("/"), max_bytes=MAX)
        assert len(site.asked) == 1

    run(scenario)
    drop_tls_errors(warnings, 2)


def drop_tls_errors(warnings: list[str], count: int) -> None:
    """Tornado logs a line for each failed handshake."""
    assert ["SSL Error" in line for line in warnings] == [True] * count
    warnings.clear()


def test_the_system_certificates_are_checked_by_default(warnings: list[str]) -> None:
    """Our choice: nothing in the configuration switches it off."""

    async def scenario(site: HttpsSite) -> None:
        with refused("fetch_tls"):
            await site.build_fetch(tls=None).fetch(site.publish("/", {}), max_bytes=MAX)

    run(scenario)
    drop_tls_errors(warnings, 1)


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: a proxy resolves names itself, and would undo the check."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def scenario(site: HttpsSite) -> None:
        assert (await site.build_fetch().fetch(site.publish("/", {}), max_bytes=MAX)).status == 200

    run(scenario)


def build_chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        build_answer(b"x" * (MAX + 1)),
        build_answer(b"x", Content_Length=str(10**9)),
        build_chunked(*[b"x" * 1000] * 6),
        HEAD + b"\r\n" + b"x" * (MAX + 1),
        HEAD + b"\r\n" + b"x" * 10**6,
    ],
    ids=["length", "announced", "chunks", "until close", "huge until close"],
)
def test_too_long_an_answer_is_given_up(answer: bytes) -> None:
    """Required by the draft on client metadata documents: 5 kilobytes, and no more is kept."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/"] = answer
        with refused("fetch_too_large"):
            await site.build_fetch().fetch(site.build_url("/"), max_bytes=MAX)

    run(scenario)


@pytest.mark.parametrize(
    "answer", [build_answer(b"x" * MAX), build_chunked(b"x" * MAX), HEAD + b"\r\n" + b"x" * MAX]
)
def test_an_answer_of_just_the_right_length_is_taken(answer: bytes) -> None:
    """Our choice: the limit is what it says."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/"] = answer
        assert (await site.build_fetch().fetch(site.build_url("/"), max_bytes=MAX)).body == b"x" * MAX

    run(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"\x00" * 5000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
        build_chunked(b"x" * 10**6),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + build_answer(b"{}"),
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_garbage_is_a_failure_and_nothing_worse(answer: bytes) -> None:
    """Our choice: whatever the other side sends, the answer is one error and a quiet log."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/"] = answer
        with refused("fetch_failed"):
            await site.build_fetch().fetch(site.build_url("/"), max_bytes=MAX)

    run(scenario)


def test_a_compressed_answer_is_refused() -> None:
    """Our choice: a few bytes can unfold into gigabytes, and nobody asked for them."""

    async def scenario(site: HttpsSite) -> None:
        with refused("fetch_encoded"):
            await site.build_fetch().fetch(site.publish("/", {}, Content_Encoding="gzip"), max_bytes=MAX)

    run(scenario)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 5000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [say_nothing, drip_headers, drip_body])
def test_a_slow_answer_is_given_up_in_time(answer: Callable[..., Awaitable[None]]) -> None:
    """Our choice: the time is for all of it, however busily the other side drips."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/"] = answer
        loop = asyncio.get_running_loop()
        began = loop.time()
        with refused("fetch_timeout"):
            await site.build_fetch().fetch(site.build_url("/"), max_bytes=MAX, timeout=0.2)
        assert 0.15 < loop.time() - began < 2

    run(scenario)


def test_a_slow_name_server_and_a_silent_host_are_given_up_in_time() -> None:
    """Our choice: so do the name and the handshake count."""

    async def scenario(site: HttpsSite) -> None:
        never = asyncio.Event()  # kept here, or the garbage collector takes the task that waits for it

        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            await never.wait()
            return []

        with refused("fetch_timeout"):
            await site.build_fetch(resolve=resolve).fetch(site.build_url("/"), max_bytes=MAX, timeout=0.1)
        silent = socket.create_server(("127.0.0.1", 0))
        with silent, refused("fetch_timeout"):
            url = f"https://client.example:{silent.getsockname()[1]}/"
            await site.build_fetch().fetch(url, max_bytes=MAX, timeout=0.1)

    run(scenario)


def test_a_host_that_can_not_be_reached_is_a_failure() -> None:
    """Our choice: with words that tell an operator which."""

    async def scenario(site: HttpsSite) -> None:
        closed = socket.create_server(("127.0.0.1", 0))
        url = f"https://client.example:{closed.getsockname()[1]}/"
        closed.close()
        with refused("fetch_failed"):
            await site.build_fetch().fetch(url, max_bytes=MAX)

        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def resolve_to_nothing(host: str, port: int) -> Sequence[SocketAddress]:
            return []

        for wrong in (resolve, resolve_to_nothing):
            with refused("fetch_name"):
                await site.build_fetch(resolve=wrong).fetch(url, max_bytes=MAX)

    run(scenario)


def test_too_many_at_once_are_refused() -> None:
    """Our choice: in all, and to one host; those that end make room."""

    async def scenario(site: HttpsSite) -> None:
        opened = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await opened.wait()
            writer.write(build_answer(b"{}"))

        site.pages["/"] = wait
        fetch = site.build_fetch(tls=make_lenient()).fetch
        started = [
            asyncio.ensure_future(
                fetch(site.build_url("/", f"host{number // MAX_PER_HOST}.example"), max_bytes=MAX)
            )
            for number in range(MAX_AT_ONCE)
        ]
        await asyncio.sleep(0)
        with refused("fetch_busy"):
            await fetch(site.build_url("/", "another.example"), max_bytes=MAX)
        opened.set()
        assert {answer.status for answer in await asyncio.gather(*started)} == {200}
        opened.clear()
        waiting = [
            asyncio.ensure_future(fetch(site.build_url("/", "one.example"), max_bytes=MAX))
            for _ in range(MAX_PER_HOST)
        ]
        await asyncio.sleep(0)
        with refused("fetch_busy"):
            await fetch(site.build_url("/", "one.example"), max_bytes=MAX)
        opened.set()
        assert (await fetch(site.build_url("/", "two.example"), max_bytes=MAX)).status == 200
        await asyncio.gather(*waiting)

    run(scenario)


def make_lenient() -> ssl.SSLContext:
    """For tests of what is not TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_an_operators_own_host_may_be_inside() -> None:
    """Our choice ([outbound] trusted_hosts): that very name, and TLS is checked as ever."""

    async def scenario(site: HttpsSite) -> None:
        url = site.publish("/", {})
        guarded = site.build_fetch(is_allowed=lambda address: False, trusted_hosts=["client.example"])
        assert (await guarded.fetch(url, max_bytes=MAX)).status == 200
        with refused("fetch_address"):
            await guarded.fetch(site.build_url("/", "other.example"), max_bytes=MAX)

    run(scenario)


def test_this_server_does_not_ask_itself() -> None:
    """Our choice: a client id that is an address of this server's would have each request make another."""

    async def scenario(site: HttpsSite) -> None:
        site.publish("/", {})
        guarded = site.build_fetch(refused_hosts=["client.example"])
        for host in ("client.example", "CLIENT.example", "client.example."):
            with refused("fetch_own"):
                await guarded.fetch(site.build_url("/", host), max_bytes=MAX)
        assert site.accepted == 0

    run(scenario)


def test_a_name_server_that_never_answers_holds_up_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: threads that hang are counted until they end, whoever has given up waiting."""
    import threading

    opened = threading.Event()

    def resolve(host: str, port: int, type: int = 0) -> list[object]:  # noqa: A002 - the standard library's
        opened.wait(10)
        return [(socket.AF_INET, type, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def scenario() -> None:
        resolver = SystemResolver()
        for _ in range(MAX_NAMES):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(resolver.resolve("slow.example", 443), 0.001)
        with refused("fetch_busy"):
            await resolver.resolve("another.example", 443)
        opened.set()
        await until(lambda: not resolver._asked)
        assert await resolver.resolve("fast.example", 443) == [(socket.AF_INET, ("127.0.0.1", 443))]

    asyncio.run(scenario())


def test_one_askers_dead_names_leave_the_others_theirs() -> None:
    """Our choice: a name is counted until its resolver returns, long after its fetch has given up."""

    async def scenario(site: HttpsSite) -> None:
        site.publish("/", {})
        released = asyncio.Event()

        async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            if host.startswith("dead"):
                await released.wait()
            return await site.resolve(host, port)

        fetch = site.build_fetch(resolve=resolve).fetch
        for number in range(MAX_PER_ASKER):
            with refused("fetch_timeout"):
                url = site.build_url("/", f"dead{number}.example")
                await fetch(url, max_bytes=MAX, timeout=0.001, asker="198.51.100.7")
        with refused("fetch_busy"):
            await fetch(site.build_url("/"), max_bytes=MAX, asker="198.51.100.7")
        for asker in ("192.0.2.1", ""):
            assert (await fetch(site.build_url("/"), max_bytes=MAX, asker=asker)).status == 200
        released.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await fetch(site.build_url("/"), max_bytes=MAX, asker="198.51.100.7")).status == 200

    run(scenario)


def test_one_asker_has_so_many_fetches_under_way() -> None:
    """Our choice: one stranger's slow hosts do not take what everybody fetches by."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/slow"] = say_nothing
        site.publish("/", {})
        guarded = site.build_fetch()
        tasks = [
            asyncio.ensure_future(guarded.fetch(site.build_url("/slow"), max_bytes=MAX, asker="198.51.100.7"))
            for _ in range(MAX_PER_ASKER)
        ]
        await until(lambda: len(site.asked) == MAX_PER_ASKER)
        with refused("fetch_busy"):
            await guarded.fetch(site.build_url("/"), max_bytes=MAX, asker="198.51.100.7")
        assert (await guarded.fetch(site.build_url("/"), max_bytes=MAX, asker="192.0.2.1")).status == 200
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        url = site.build_url("/")
        assert (await guarded.fetch(url, max_bytes=MAX, asker="198.51.100.7")).status == 200
        assert not guarded._asked
        assert not guarded._names

    run(scenario)


def test_a_fetch_that_is_cancelled_leaves_nothing_behind() -> None:
    """Our choice: a caller that goes away frees its place."""

    async def scenario(site: HttpsSite) -> None:
        site.pages["/"] = say_nothing
        guarded = site.build_fetch()
        tasks = [
            asyncio.ensure_future(guarded.fetch(site.build_url("/"), max_bytes=MAX))
            for _ in range(MAX_PER_HOST)
        ]
        await until(lambda: len(site.asked) == MAX_PER_HOST)
        for task in tasks:
            task.cancel()
        outcomes: list[Fetched | BaseException] = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        site.publish("/", {})
        assert (await guarded.fetch(site.build_url("/"), max_bytes=MAX)).status == 200

    run(scenario)


async def serve_plainly(asked: list[bytes]) -> asyncio.Server:
    """A site without TLS on a free port of 127.0.0.1."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(build_answer(b"{}"))
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


def test_an_origin_on_this_machine_that_the_operator_named_is_asked_without_tls() -> None:
    """Our choice: for a provider in development; that origin and no other, whatever leads there."""

    async def scenario() -> None:
        asked: list[bytes] = []
        server = await serve_plainly(asked)
        port = server.sockets[0].getsockname()[1]
        fetch = GuardedFetch(loopback_origins=[f"http://127.0.0.1:{port}"], refused_hosts=["127.0.0.1"]).fetch
        fetched = await fetch(f"http://127.0.0.1:{port}/x?y=1", max_bytes=MAX)
        assert (fetched.status, fetched.body) == (200, b"{}")
        assert asked[0].startswith(b"GET /x?y=1 HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{port}\r\n".encode() in asked[0]
        for url in (
            *(f"http://localhost:{port}/", f"http://127.0.0.1:{port + 1}/", f"https://127.0.0.1:{port}/"),
            *("http://client.example/", f"http://127.0.0.1:{port}@client.example/"),
        ):
            with refused("fetch_url"):
                await fetch(url, max_bytes=MAX)
        with refused("fetch_url"):
            await GuardedFetch().fetch(f"http://127.0.0.1:{port}/", max_bytes=MAX)
        server.close()
        await server.wait_closed()
        assert len(asked) == 1

    asyncio.run(scenario())


def test_localhost_must_lead_to_this_machine() -> None:
    """Our choice: without TLS there is no certificate that would show it."""

    async def resolve(host: str, port: int) -> Sequence[SocketAddress]:
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("198.51.100.7", port))]

    async def resolve_to_nothing(host: str, port: int) -> Sequence[SocketAddress]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scenario() -> None:
        for find in (resolve, resolve_to_nothing):
            fetch = GuardedFetch(loopback_origins=["http://localhost:3000"], resolve=find).fetch
            with refused("fetch_address"):
                await fetch("http://localhost:3000/", max_bytes=MAX)

    asyncio.run(scenario())
