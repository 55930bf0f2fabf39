"""Addresses: whose word on `X-Forwarded-For` counts."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def find_client_address(peer: str, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """The client's address: the peer's, or, where the peer is a trusted proxy, the nearest one that is not
    trusted.

    `X-Forwarded-For` grows to the right: each proxy adds the address it saw. Reading from the right, the
    first address that is no proxy of ours is the last one somebody we trust has seen; what stands left of it
    anyone may have written.
    """
    if not is_trusted_peer(peer, trusted):
        return peer
    address = peer
    for entry in reversed([part.strip() for part in (forwarded_for or "").split(",") if part.strip()]):
        try:
            address = str(ipaddress.ip_address(entry))
        except ValueError:
            break
        if not _is_trusted(address, trusted):
            break
    return address


def find_client_scheme(peer: str, forwarded_proto: str | None, trusted: Sequence[Network]) -> str | None:
    """The scheme a trusted proxy was asked by ("http" or "https"); None where nobody trusted says."""
    if not is_trusted_peer(peer, trusted):
        return None
    scheme = (forwarded_proto or "").strip().lower()
    return scheme if scheme in ("http", "https") else None


def is_trusted_peer(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether `peer` is a configured proxy."""
    return bool(trusted) and _is_trusted(peer, trusted)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in trusted)
