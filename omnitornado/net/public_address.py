"""Implements: RFC 6890 (special-purpose addresses): which addresses belong to the public internet.

A server that fetches what strangers name must not be led to where they can't go themselves: this machine, the
network behind it, a cloud's metadata service. The networks stand here one by one, from the IANA registries of
special-purpose addresses, because what `ipaddress` calls global has changed from one Python to the next.
"""

import ipaddress
from typing import Final

IPv4 = ipaddress.IPv4Address
IPv6 = ipaddress.IPv6Address

# fmt: off
SPECIAL_IPV4: Final = tuple(map(ipaddress.IPv4Network, (
    "0.0.0.0/8",           # this host on this network
    "10.0.0.0/8",          # private use
    "100.64.0.0/10",       # shared (carrier-grade NAT); some clouds keep their metadata service here
    "127.0.0.0/8",         # loopback
    "169.254.0.0/16",      # link-local; most clouds keep their metadata service here
    "172.16.0.0/12",       # private use
    "192.0.0.0/24",        # protocol assignments
    "192.0.2.0/24",        # documentation
    "192.31.196.0/24",     # AS112
    "192.52.193.0/24",     # AMT
    "192.88.99.0/24",      # 6to4 relay
    "192.168.0.0/16",      # private use
    "192.175.48.0/24",     # AS112
    "198.18.0.0/15",       # benchmarking
    "198.51.100.0/24",     # documentation
    "203.0.113.0/24",      # documentation
    "224.0.0.0/4",         # multicast
    "240.0.0.0/4",         # reserved, and broadcast
)))
GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that IANA has opened for the public IPv6 internet; loopback, mapped, unique local, link-local and
multicast addresses lie outside."""
SPECIAL_IPV6: Final = tuple(map(ipaddress.IPv6Network, (
    "2001::/23",           # protocol assignments: Teredo, ORCHID, benchmarking
    "2001:db8::/32",       # documentation
    "2002::/16",           # 6to4: leads to any IPv4 address
    "2620:4f:8000::/48",   # AS112
    "3fff::/20",           # documentation
)))
# fmt: on
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: on a network of IPv6 alone every IPv4 address looks like this, the public ones too."""
ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
"""RFC 5214 §6.1: an interface identifier that leads to the IPv4 address after it."""


def is_public_address(address: str) -> bool:
    """Whether an IP address, as a resolver gives it, is one on the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False  # a scope (fe80::1%eth0) is none either
    if isinstance(parsed, IPv4):
        return _is_public_ipv4(parsed)
    if parsed in NAT64:
        return _is_public_ipv4(IPv4(int(parsed) & 0xFFFF_FFFF))
    if parsed not in GLOBAL_UNICAST or any(parsed in network for network in SPECIAL_IPV6):
        return False
    return int(parsed) >> 32 & 0xFFFF_FFFF not in ISATAP


def _is_public_ipv4(address: IPv4) -> bool:
    return not any(address in network for network in SPECIAL_IPV4)
