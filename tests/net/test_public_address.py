"""Which addresses are on the public internet, and in how many ways the others can be written."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnitornado.net.public_address import is_public_address

PRIVATE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # a cloud's metadata service
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # most clouds'
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # another cloud's
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_special_purpose_ipv4_address_is_not_public(address: str) -> None:
    """Required by RFC 6890 §2.2.2, and by the draft on client metadata documents for their addresses."""
    assert not is_public_address(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_nor_is_it_inside_an_ipv6_address(address: str) -> None:
    """Our choice: mapped, compatible, 6to4, NAT64, Teredo and ISATAP addresses lead to it as well."""
    packed = ipaddress.IPv4Address(address)
    number = int(packed)
    inverted = ~number & 0xFFFF_FFFF
    for spelled in (
        f"::ffff:{address}",
        f"::ffff:0:{address}",
        f"::{address}",
        str(ipaddress.IPv6Address(0x2002 << 112 | number << 80)),
        f"64:ff9b::{address}",
        f"64:ff9b:1::{address}",
        str(ipaddress.IPv6Address(0x2001_0000 << 96 | inverted)),
        str(ipaddress.IPv6Address(0x2A00 << 112 | 0x5EFE << 32 | number)),
        str(ipaddress.IPv6Address(0x2A00 << 112 | 0x0200_5EFE << 32 | number)),
    ):
        assert not is_public_address(spelled), spelled


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::2",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # a cloud's metadata service
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "::ffff:8.8.8.8",
    ],
)
def test_an_ipv6_address_outside_the_public_part_is_not_public(address: str) -> None:
    """Required by RFC 6890 §2.2.3; that 6to4 and mapped addresses are refused whole is our choice."""
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::g", "1.1.1.1 "]
)
def test_what_is_no_address_is_not_public(address: str) -> None:
    """Our choice: a resolver gives plain addresses, and anything else is not understood."""
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "223.255.255.1",
        "2606:4700::6812:202f",
        "2a00:1450:4001:80b::200e",
        "2620:fe::fe",
        "64:ff9b::8.8.8.8",
    ],
)
def test_other_addresses_are_public(address: str) -> None:
    """Our choice: whatever the internet's hosts have; through NAT64 too, where there is no IPv4 at all."""
    assert is_public_address(address)


@settings(deadline=None, database=None)
@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_special(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our choice: the standard library's own list as a second opinion."""
    if is_public_address(str(address)) and address not in ipaddress.ip_network("64:ff9b::/96"):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
