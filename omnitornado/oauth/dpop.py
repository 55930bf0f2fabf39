"""Implements: RFC 9449 §4.2, §4.3, §8, §9 and §11.1, RFC 7638: a proof that who sends a request has a key.

A proof is for one request: its method, its address, at a protected resource its token, and a short time. It
is taken once. What is cheap to check is checked before the signature is, and at a protected resource nothing
is before the token is known to be bound to the proof's key.

A proof is placed in time by its nonce, where it has one that this server gave out, and by `iat` otherwise: a
client whose clock is wrong is told a nonce, and gets on with it.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import msgspec

from omnitornado.base64url import encode
from omnitornado.oauth.dpop_nonce import Nonces
from omnitornado.oauth.dpop_target import ProofRequest, find_place, is_target
from omnitornado.oauth.errors import ProtocolError
from omnitornado.oauth.jose import (
    JoseError,
    PublicKey,
    Token,
    find_key,
    parse_instant,
    parse_key,
    parse_token,
    verify_token,
)
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.store.transitions import Store, UseOutcome

ALGORITHMS: Final = ("ES256", "EdDSA", "Ed25519", "RS256", "PS256")
"""What proofs may be signed with: asymmetric (§11.6), and each checked in a fifth of a millisecond."""
TYPE: Final = "dpop+jwt"
MAX_PROOF: Final = 8 * 1024
"""Characters; one with the largest RSA key has 5000."""
MAX_JTI: Final = 256
LONGEST_AGO: Final = 120.0
LONGEST_AHEAD: Final = 60.0
"""Seconds by which `iat` may differ from this server's clock, where there is no nonce."""
MAX_KEYS: Final = 1024
PARTY_PERIOD: Final = 60
"""Seconds. The proofs by one key, for one token, that end within it are counted together: the store bounds
how many there may be of one party. With nonces all end together that were made with the same one.
"""


class ProofError(ProtocolError):
    """A proof that is missing or not to be taken. `code` as in §5 and §7.1."""

    def __init__(self, *, code: str, description: str, reason: str, dpop_nonce: str = "") -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.reason = reason
        self.dpop_nonce = dpop_nonce


class DpopPolicy(msgspec.Struct, frozen=True):
    """Where proofs, and nonces in them, are needed. A client may always send them."""

    required: bool = False
    """Every token is bound to a key."""
    token_nonces: bool = False
    """Proofs at the token endpoint need a nonce."""
    resource_nonces: bool = False
    """Proofs at what this server protects do."""


class Proof(msgspec.Struct, frozen=True):
    """A proof that was taken."""

    jkt: str
    """The key's thumbprint (§6.1)."""
    dpop_nonce: str
    """What the answer is to say in `DPoP-Nonce`; "" for nothing (§8.2)."""


class Proofs:
    """Checks proofs, for one server."""

    def __init__(self, store: Store, *, token_bytes: TokenBytes, policy: DpopPolicy = DpopPolicy()) -> None:  # noqa: B008 - frozen
        self.policy = policy
        self.nonces = Nonces(store, token_bytes=token_bytes)
        self._store = store
        self._keys: OrderedDict[bytes, PublicKey] = OrderedDict()

    async def check(
        self,
        request: ProofRequest,
        *,
        needs_nonce: bool,
        now: float,
        access_token: str | None = None,
        jkt: str | None = None,
    ) -> Proof:
        """The proof of a request, taken. Where an access token comes with it, it has to be for that one, and
        by the key that the token is bound to, `jkt`.

        Raises: ProofError invalid_dpop_proof, use_dpop_nonce; invalid_token for another key than `jkt`;
        temporarily_unavailable where too many were taken to know this one from them. StoreUnavailable.
        """
        token = parse_proof(request.headers)
        if not is_target(token.claims, request):
            _refuse("htm and htu must be this request's method and address", "dpop_target")
        jti = check_claims(token, access_token)
        key = await self._find_key(token)
        if jkt is not None and key.thumbprint != jkt:
            _refuse("the access token is bound to another key", "dpop_key_differs", code="invalid_token")
        good_until = await self._check_time(token, needs_nonce=needs_nonce, now=now)
        try:
            await verify_token(token, [key])
        except JoseError as error:
            _refuse(f"the DPoP proof can't be accepted: {error}", "dpop_signature")
        maker = key.thumbprint if access_token is None else f"{key.thumbprint} {token.claims['ath']}"
        await self._use_up(jti, maker, request, good_until=good_until, now=now)
        has_nonce = "nonce" in token.claims
        return Proof(
            jkt=key.thumbprint,
            dpop_nonce=await self.nonces.issue(now=now) if has_nonce or needs_nonce else "",
        )

    async def _find_key(self, token: Token) -> PublicKey:
        """The key in the proof's header (§4.2), read once: all of a client's proofs have the same header."""
        digest = hashlib.sha256(token.compact.partition(".")[0].encode()).digest()
        key = self._keys.get(digest)
        if key is None:
            key = await read_proof_key(token.header.get("jwk"))
            if len(self._keys) >= MAX_KEYS:
                self._keys.popitem(last=False)
            self._keys[digest] = key
        self._keys.move_to_end(digest)
        return key

    async def _check_time(self, token: Token, *, needs_nonce: bool, now: float) -> float:
        """Until when this proof is taken (§4.3, checks 10 and 11). Raises: ProofError."""
        nonce = token.claims.get("nonce")
        issued_at = check_own_times(token, now=now)
        if nonce is not None:
            end = await self.nonces.find_end(nonce, now=now) if isinstance(nonce, str) else None
            if end is None:
                await self._ask_for_nonce(
                    "the DPoP proof's nonce is not one to use now", reason="dpop_nonce", now=now
                )
            return end
        if needs_nonce:
            await self._ask_for_nonce("the DPoP proof needs a nonce", reason="dpop_nonce_missing", now=now)
        # The end itself is out: there the store has forgotten that the proof was used.
        if not now - LONGEST_AGO < issued_at <= now + LONGEST_AHEAD:
            _refuse(
                "iat of the DPoP proof is too far from this server's clock",
                "dpop_time",
                dpop_nonce=await self.nonces.issue(now=now),
            )
        return issued_at + LONGEST_AGO

    async def _ask_for_nonce(self, description: str, *, reason: str, now: float) -> NoReturn:
        nonce = await self.nonces.issue(now=now)
        _refuse(description, reason, code="use_dpop_nonce", dpop_nonce=nonce)

    async def _use_up(
        self, jti: str, maker: str, request: ProofRequest, *, good_until: float, now: float
    ) -> None:
        """§11.1: each proof is taken once, where it is for. Raises: ProofError."""
        outcome = await self._store.use_once(
            "dpop",
            # It follows from the proof, so that a copy is always found, and can't be chosen at will.
            f"{maker} {int(good_until) // PARTY_PERIOD}",
            f"{request.method} {find_place(request)} {jti}",
            expires_at=good_until,
            now=now,
            # A crash forgets the uses of its last second, and no request waits for the disk.
            wait=False,
        )
        if outcome is UseOutcome.REPLAYED:
            _refuse("the DPoP proof has been used before", "dpop_replayed")
        if outcome is UseOutcome.FULL:
            _refuse("too many DPoP proofs; slow down", "dpop_cap", code="temporarily_unavailable")


def parse_proof(headers: Sequence[str]) -> Token:
    """The proof in the `DPoP` header, taken apart (§4.3, checks 1 to 6). Raises: ProofError."""
    if not headers:
        _refuse("a DPoP proof is needed", "dpop_missing")
    if len(headers) > 1:
        _refuse("more than one DPoP header", "dpop_two_headers")
    if len(headers[0]) > MAX_PROOF:
        _refuse("the DPoP proof is too long", "dpop_malformed")
    try:
        token = parse_token(headers[0].strip(), algorithms=ALGORITHMS)
    except JoseError as error:
        _refuse(f"the DPoP proof can't be accepted: {error}", "dpop_malformed")
    if token.typ != TYPE:
        _refuse(f"typ of a DPoP proof must be {TYPE}", "dpop_type")
    return token


def check_claims(token: Token, access_token: str | None) -> str:
    """The proof's `jti`, where that and `ath` are in order (§4.2). Raises: ProofError."""
    jti = token.claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        _refuse(f"jti of a DPoP proof must be a string of 1 to {MAX_JTI} characters", "dpop_malformed")
    if access_token is not None and token.claims.get("ath") != hash_access_token(access_token):
        _refuse("ath must be the access token's hash", "dpop_token_hash")
    return jti


def check_own_times(token: Token, *, now: float) -> float:
    """The proof's `iat`, where what else it says of time is in order: it needs to say nothing (§4.2), but an
    end counts that it gives itself (RFC 7519 §4.1.4 and §4.1.5). Raises: ProofError.
    """
    try:
        issued_at, ends_at, begins_at = (parse_instant(token.claims, name) for name in ("iat", "exp", "nbf"))
    except JoseError as error:
        _refuse(f"the DPoP proof can't be accepted: {error}", "dpop_malformed")
    if issued_at is None:
        _refuse("iat of a DPoP proof must be a number of seconds", "dpop_malformed")
    if (ends_at is not None and now >= ends_at + LONGEST_AHEAD) or (
        begins_at is not None and now < begins_at - LONGEST_AHEAD
    ):
        _refuse("the DPoP proof has expired, or is not yet good", "dpop_time")
    return issued_at


def hash_access_token(access_token: str) -> str:
    """§4.2 `ath`: base64url of its SHA-256."""
    return encode(hashlib.sha256(access_token.encode("ascii")).digest())


async def read_proof_key(jwk: Any) -> PublicKey:
    """The public key in a proof's header (§4.3, checks 5 and 7). Raises: ProofError."""
    try:
        if isinstance(jwk, dict) and jwk.get("kty") == "RSA":
            # Longer to read than to check with, and anyone may bring a new one each time.
            key = await asyncio.to_thread(find_key, jwk)
            if key is None:
                raise JoseError("the key is malformed")
            return key
        return await parse_key(jwk)
    except JoseError as error:
        _refuse(f"jwk of the DPoP proof: {error}", "dpop_key")


def _refuse(
    description: str, reason: str, *, code: str = "invalid_dpop_proof", dpop_nonce: str = ""
) -> NoReturn:
    raise ProofError(code=code, description=description, reason=reason, dpop_nonce=dpop_nonce)
