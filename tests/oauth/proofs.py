"""DPoP proofs as a client makes them, or as nobody should."""

import itertools
from typing import Any

from joserfc import jwk

from omnitornado.oauth.dpop import hash_access_token

from .keys import make_key, publish_key, sign
from .world import ISSUER, START

JTI = itertools.count()


def prove(
    path: str = "/token",
    *,
    key: jwk.Key | None = None,
    algorithm: str = "ES256",
    issuer: str = ISSUER,
    now: float = START,
    token: str | None = None,
    header: dict[str, Any] | None = None,
    **changed: Any,
) -> str:
    """A proof for a POST to `path`, with nothing wrong unless `changed` brings it in; None leaves a claim
    out. `token`: the access token that it goes with.
    """
    signer = key or make_key(algorithm)
    claims = {
        "jti": f"proof-{next(JTI)}",
        "htm": "POST",
        "htu": issuer + path,
        "iat": int(now),
        "ath": None if token is None else hash_access_token(token),
    }
    members = {"typ": "dpop+jwt", "jwk": publish_key(signer)} | (header or {})
    given = {name: value for name, value in (claims | changed).items() if value is not None}
    kept = {name: value for name, value in members.items() if value is not None}
    return sign(given, key=signer, algorithm=algorithm, **kept)


def find_thumbprint(key: jwk.Key | None = None) -> str:
    """RFC 7638."""
    return str((key or make_key()).thumbprint())
