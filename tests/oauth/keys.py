"""Keys to sign with, one pair a kind for the whole run, and tokens signed with them."""

import functools
import json
import warnings
from typing import Any

from joserfc import jwk, jws
from joserfc.registry import Header

from omnitornado.base64url import encode

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
_KINDS: dict[str, tuple[Any, ...]] = {
    "RS256": ("RSA", 2048),
    "PS256": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}


def make_key(algorithm: str = "ES256", name: str = "one") -> jwk.Key:
    """A private key; the same for the same algorithm and name."""
    return _generate_key(algorithm, name)


@functools.cache
def _generate_key(algorithm: str, name: str) -> jwk.Key:
    key: jwk.Key = jwk.generate_key(*_KINDS[algorithm])
    return key


def publish(*keys: jwk.Key, **members: Any) -> dict[str, Any]:
    """The keys' public halves as a key set, each with `members`."""
    return {"keys": [publish_key(key, **members) for key in keys]}


def publish_key(key: jwk.Key, **members: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False)) | members


def sign(claims: object, *, key: jwk.Key | None = None, algorithm: str = "ES256", **header: Any) -> str:
    """A compact token. `header` adds to its header, or replaces what stands there."""
    members: Header = {"alg": algorithm} | header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of EdDSA's name
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        payload = claims if isinstance(claims, bytes) else json.dumps(claims)
        return jws.serialize_compact(members, payload, key or make_key(algorithm), registry=registry)


def forge(header: object, claims: object, signature: bytes = b"") -> str:
    """A compact token as nobody would sign it."""
    return ".".join(
        encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)
    ) + ("." + encode(signature))
