"""Implements: RFC 7517 §4 and §5: the keys that clients registered or published in their own documents, each
read once and not for every assertion.

Anyone may register a set of large keys, and send assertions for it without end: so what a key says of itself
chooses first, only those that are left are read, on a thread, and what was read is kept.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from omnitornado.oauth.jose import (
    MAX_TRIED,
    PRIVATE_MEMBERS,
    JoseError,
    PublicKey,
    Token,
    UnknownKeyError,
    find_key,
    may_have_signed,
    verify_token,
)

CAPACITY: Final = 256
"""Keys that are kept; the one not used for longest goes first."""


class InlineKeys:
    """Keys by what they are: a set that a client changes is another one."""

    def __init__(self) -> None:
        self._read: OrderedDict[bytes, PublicKey] = OrderedDict()

    async def verify(self, token: Token, jwks: Mapping[str, Any] | None) -> Token:
        """The token, once its signature is known to be by a key of this set. Raises: JoseError."""
        listed = None if jwks is None else jwks.get("keys")
        if not isinstance(listed, list):
            raise JoseError("its client has no key set that can be used")
        if any(isinstance(jwk, dict) and not PRIVATE_MEMBERS.isdisjoint(jwk) for jwk in listed):
            raise JoseError("its client's key set holds a private key or a secret")
        chosen = [jwk for jwk in listed if may_have_signed(jwk, token)][:MAX_TRIED]
        if not chosen:
            raise UnknownKeyError("none of the keys is the one that it names")
        return await verify_token(token, await self._find(chosen))

    async def _find(self, chosen: Sequence[Mapping[str, Any]]) -> Sequence[PublicKey]:
        found = []
        for jwk in chosen:
            digest = hashlib.sha256(json.dumps(jwk, sort_keys=True, default=repr).encode()).digest()
            key = self._read.get(digest) or await asyncio.to_thread(find_key, jwk)
            if key is not None:
                found.append(key)
                self._keep(digest, key)
        return found

    def _keep(self, digest: bytes, key: PublicKey) -> None:
        self._read[digest] = key
        self._read.move_to_end(digest)
        if len(self._read) > CAPACITY:
            self._read.popitem(last=False)
