"""Whose word on the client's address counts."""

from ipaddress import ip_network

import pytest

from omnitornado.net import find_client_address, find_client_scheme, is_trusted_peer

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.1", None, "203.0.113.1"),
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", " 198.51.100.1 ", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "nonsense, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", ",, ,", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "::ffff:10.0.0.2, 198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
        ("", "198.51.100.1", ""),
        ("nonsense", "198.51.100.1", "nonsense"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours_is_the_clients(
    peer: str, forwarded_for: str | None, address: str
) -> None:
    """Our choice ([server] trusted_proxies): what stands left of it anyone may have written."""
    assert find_client_address(peer, forwarded_for, PROXIES) == address


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.1", "::1"])
def test_without_trusted_proxies_the_peer_is_the_client(peer: str) -> None:
    """Our choice: anyone can write the header."""
    assert find_client_address(peer, "198.51.100.1", []) == peer


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd12::1", True),
        ("11.0.0.1", False),
        ("x", False),
        ("", False),
    ],
)
def test_a_peer_is_trusted_by_its_network(peer: str, is_trusted: bool) -> None:
    """Our choice: an IPv4 address is the same however the socket writes it."""
    assert is_trusted_peer(peer, PROXIES) is is_trusted
    assert not is_trusted_peer(peer, [])


def test_only_a_trusted_proxy_is_believed_about_the_scheme() -> None:
    """Our choice: [server] trusted_proxies."""
    proxy = str(PROXIES[0].network_address)
    assert find_client_scheme(proxy, "HTTPS", PROXIES) == "https"
    assert find_client_scheme(proxy, "gopher", PROXIES) is None
    assert find_client_scheme(proxy, None, PROXIES) is None
    assert find_client_scheme("203.0.113.9", "https", PROXIES) is None
    assert find_client_scheme(proxy, "https", []) is None
