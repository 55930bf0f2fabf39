"""Which addresses this server asks at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnitornado.net.web_address import (
    check_host,
    parse_any_address,
    parse_loopback_address,
    parse_web_address,
)


def test_an_https_address_is_taken_apart() -> None:
    """Required by RFC 9110 §4.2.2: the port is 443 unless it is named."""
    address = parse_web_address("https://Client.Example:8443/a/b.json?c=d")
    assert (address.host, address.port, address.path, address.query) == (
        "client.example",
        8443,
        "/a/b.json",
        "?c=d",
    )
    assert parse_web_address("https://client.example").port == 443
    assert parse_web_address("https://client.example./x").host == "client.example"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "client.example",
        "http://client.example/",
        "HTTPS://client.example/",
        "ftp://client.example/",
        "file:///etc/passwd",
        "gopher://client.example/",
        "//client.example/",
        "https:/client.example/",
        "https:client.example",
        "https://",
        "https:///x",
        "https://:443/x",
        "https://user@client.example/",
        "https://user:password@client.example/",
        "https://client.example@127.0.0.1/",
        "https://127.0.0.1\\@client.example/",
        "https://client.example\\.attacker.example/",
        "https://client.example#@attacker.example/",
        "https://client.example/#fragment",
        "https://client.example:0/",
        "https://client.example:65536/",
        "https://client.example:443443/",
        "https://client.example:+443/",
        "https://client.example:/",
        "https://client.example: 443/",
        "https://client.example:443x/",
        "https://client.example/ x",
        "https://client.example/\r\nHost: x",
        "https://client.example/\x00",
        "https://client.example/é",
        "https://clïent.example/",
        "https://client%2eexample/",
        "https://client..example/",
        "https://.example/",
        "https://-client.example/",
        "https://client-.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://client.example/" + "a" * 2048,
        " https://client.example/",
        "https://client.example/\n",
        "https://client.example,other.example/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(url: str) -> None:
    """Our choice: the host that is checked must be the host that is asked."""
    with pytest.raises(ValueError, match="it"):
        parse_web_address(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "1.1.1.1",
        "0",
        "0x",
        "client.0x7f",
        "client.1",
        "0x7F.1",
        "127.0.0.0x1",
    ],
)
def test_an_address_in_place_of_a_name_is_refused_however_it_is_written(host: str) -> None:
    """Our choice: whole, short, decimal, octal or hexadecimal: a client has a name."""
    with pytest.raises(ValueError, match="address"):
        parse_web_address(f"https://{host}/")


@settings(deadline=None, database=None)
@given(st.text(alphabet="htps:/@.[]?#\\a1%x \n", max_size=40))
def test_nothing_is_taken_that_an_url_parser_reads_otherwise(text: str) -> None:
    """Our choice: the standard library as a second opinion."""
    from urllib.parse import urlsplit

    try:
        address = parse_web_address("https://" + text)
    except ValueError:
        return
    parts = urlsplit(address.url)
    assert (parts.hostname or "").removesuffix(".") == address.host
    assert (parts.port or 443) == address.port
    assert parts.username is None
    assert parts.path == address.path


def test_a_host_alone_is_checked_as_well() -> None:
    """Our choice: for lists of hosts in the configuration."""
    assert check_host("Client.Example.") == "client.example"
    for wrong in ("", ".", "a b", "10.0.0.1", "*.example", "x" * 254):
        with pytest.raises(ValueError, match="host"):
            check_host(wrong)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://localhost:3000/a?b", "http://localhost:3000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_address_of_this_machine_may_be_without_tls(url: str, origin: str) -> None:
    """Our choice: for what is developed here; whether it is asked is for the fetch to know."""
    address = parse_loopback_address(url)
    assert (address.scheme, address.origin) == ("http", origin)
    assert parse_any_address(url) == address
    assert parse_any_address("https://client.example").origin == "https://client.example"


@pytest.mark.parametrize(
    "url",
    [
        *("http://client.example", "http://localhost.example", "http://localhost@client.example"),
        *("http://127.1", "http://2130706433", "http://0.0.0.0", "http://127.0.0.1.client.example"),
        *("http://[::ffff:127.0.0.1]", "http://localhost:0", "http://localhost:99999", "http://localhost#x"),
        *(
            "http://127.0.0.1\\@client.example",
            "HTTP://localhost",
            "http://localhost\r\n",
            "https://localhost",
        ),
    ],
)
def test_nothing_else_is_taken_for_this_machine(url: str) -> None:
    """Our choice: two programs must not read it differently."""
    with pytest.raises(ValueError, match="it must be"):
        parse_loopback_address(url)
