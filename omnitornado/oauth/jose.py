"""Implements: RFC 7515 §5.2, RFC 7517 §4 and §5, RFC 7518 §3.1, RFC 7519 §7.2, RFC 7638, RFC 8037 §3.1, RFC
8725 §3: JSON Web Tokens and the keys they are signed with, checked and never made.

joserfc does the cryptography. It is loaded at first use and on a thread, so that a server starts without it
and no request waits for another's. What it leaves open is decided here: asymmetric algorithms alone, a key's
type has to fit the algorithm, no key is ever taken from where the token points to, and everything has a size.
"""

import asyncio
import functools
import math
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from omnitornado.base64url import decode

KEY_TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""The algorithms there are, each with the key type and the curve it needs (RFC 8725 §3.1 and §3.2: neither
`none` nor anything with a shared secret). Ed25519 is what RFC 9864 calls EdDSA on that curve.
"""

MAX_TOKEN: Final = 16 * 1024
"""Characters."""
MAX_KEYS: Final = 32
"""In a set that is fetched."""
MAX_INLINE_KEYS: Final = 8
"""In a set that a client registers or publishes in its own document."""
MAX_TRIED: Final = 8
"""Keys that one signature is tried with, where the token does not say which."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
HEAVY_MODULUS: Final = 683
"""Characters of an RSA key's `n` (4096 bits), beyond which its work is done on a thread."""
MAX_RSA_EXPONENT: Final = 2**32
"""A larger one makes checking slow, and nobody has one."""
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
THUMBPRINT_BYTES: Final = 32
MAX_INSTANT: Final = 253_402_300_800.0
"""The year 10000."""


class JoseError(Exception):
    """A token or a key that is not to be believed. `str()` says why, and quotes neither."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKeyError(JoseError):
    """None of the keys is the one the token names: where they were fetched, a newer set may have it."""


class PublicKey(msgspec.Struct, frozen=True):
    """A public key (RFC 7517 §4), fit for at least one algorithm."""

    jwk: Mapping[str, Any]
    """As it was published, private members excepted: there are none."""
    thumbprint: str
    """RFC 7638, SHA-256, base64url: the key's name for DPoP (RFC 9449 §6.1)."""
    native: Any
    """joserfc's own."""


class Token(msgspec.Struct, frozen=True):
    """A token taken apart (RFC 7515 §7.1). Before `verify_token` nothing in it can be believed."""

    header: dict[str, Any]
    claims: dict[str, Any]
    compact: str

    @property
    def algorithm(self) -> str:
        return str(self.header["alg"])

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def typ(self) -> str:
        """The header's `typ` in lower case and without `application/` (RFC 7515 §4.1.9); "" for none."""
        typ = self.header.get("typ")
        return typ.lower().removeprefix("application/") if isinstance(typ, str) else ""

    @property
    def signed(self) -> str:
        """What the signature is over: for a token without a `jti`, what tells it from any other."""
        return self.compact.rpartition(".")[0]


def parse_token(compact: str, *, algorithms: Collection[str]) -> Token:
    """Take a token apart, signed with one of `algorithms` as it says. Raises: JoseError."""
    if len(compact) > MAX_TOKEN:
        raise JoseError("it is too long")
    parts = compact.split(".")
    if len(parts) != 3:
        raise JoseError("it is not a signed JSON Web Token")
    header, claims = _parse_part(parts[0], "header"), _parse_part(parts[1], "payload")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in KEY_TYPES:
        raise JoseError(f"its algorithm must be one of {', '.join(algorithms)}")
    # RFC 7515 §4.1.11: what is critical must be understood, and no extension is. RFC 7797's is one of them.
    if "crit" in header or "b64" in header:
        raise JoseError("it names a critical extension")
    return Token(header=header, claims=claims, compact=compact)


def _parse_part(part: str, name: str) -> dict[str, Any]:
    raw = decode(part)
    try:
        value = None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise JoseError(f"its {name} is not a JSON object")
    return value


async def parse_key(jwk: object) -> PublicKey:
    """One public key (RFC 7517 §4). Raises: JoseError."""
    await load()
    return _read_key(jwk)


async def parse_key_set(document: object) -> Sequence[PublicKey]:
    """As `read_key_set`, where a loop runs: on a thread, for large keys take long."""
    return await asyncio.to_thread(read_key_set, document)


def read_key_set(document: object, *, max_keys: int = MAX_KEYS) -> Sequence[PublicKey]:
    """A key set (RFC 7517 §5): the keys in it that can be used; the others are left out, as it asks.

    Raises: JoseError for what is no key set, for a private key, and for one without a usable key.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise JoseError("a key set is a JSON object with an array named keys")
    if len(listed) > max_keys:
        raise JoseError(f"a key set has {max_keys} keys at the most")
    if any(isinstance(jwk, dict) and not PRIVATE_MEMBERS.isdisjoint(jwk) for jwk in listed):
        raise JoseError("a key set to be published holds no private key and no secret")
    keys = [key for jwk in listed if (key := find_key(jwk)) is not None]
    if not keys:
        raise JoseError("no key in the set can be used")
    return keys


def find_key(jwk: object) -> PublicKey | None:
    """One public key, or None for what can't be used; `load` comes first, or a thread."""
    try:
        return _read_key(jwk)
    except JoseError:
        return None


def _read_key(jwk: object) -> PublicKey:
    if not isinstance(jwk, dict) or not any(_is_kind(jwk, *kind) for kind in KEY_TYPES.values()):
        raise JoseError("the key's type is not one that can be used")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise JoseError("the key is not a public one")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise JoseError("the key is not one for signatures")
    if not isinstance(jwk.get("alg", ""), str):
        raise JoseError("the key is malformed")
    if jwk["kty"] == "RSA":
        _check_rsa(jwk)
    joserfc = _import()
    try:
        # Without its `alg`, which has two spellings for one algorithm: `fits` holds the key to it.
        native = joserfc.jwk.import_key({name: value for name, value in jwk.items() if name != "alg"})
        native.public_key  # noqa: B018 - a point off the curve shows here at the latest
        return PublicKey(jwk=jwk, thumbprint=native.thumbprint(), native=native)
    except (joserfc.errors.JoseError, ValueError, TypeError, KeyError) as error:
        raise JoseError("the key is malformed") from error


def _is_kind(jwk: Mapping[str, Any], kind: str, curve: str | None) -> bool:
    return jwk.get("kty") == kind and (curve is None or jwk.get("crv") == curve)


def _check_rsa(jwk: Mapping[str, Any]) -> None:
    """RFC 7518 §3.3: 2048 bits or more; and nothing that takes long to check."""
    modulus, exponent = (
        int.from_bytes(decode(jwk[name]) or b"", "big") if isinstance(jwk.get(name), str) else 0
        for name in ("n", "e")
    )
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise JoseError(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if not 2 < exponent < MAX_RSA_EXPONENT:
        raise JoseError("the RSA key's exponent is not one that can be used")


def is_thumbprint(text: str) -> bool:
    """Whether it is a key's name by RFC 7638 with SHA-256."""
    raw = decode(text)
    return raw is not None and len(raw) == THUMBPRINT_BYTES


def may_have_signed(jwk: object, token: Token) -> bool:
    """Whether a key says of itself that it may be the one: by type and algorithm (RFC 8725 §3.1), and by
    name, where both have one (RFC 7515 §4.1.4).
    """
    if not isinstance(jwk, dict) or not _is_kind(jwk, *KEY_TYPES[token.algorithm]):
        return False
    named, kid = jwk.get("alg", token.algorithm), jwk.get("kid")
    if not isinstance(named, str) or (isinstance(kid, str) and token.kid not in (kid, None)):
        return False
    return named == token.algorithm or {named, token.algorithm} == {"EdDSA", "Ed25519"}


async def verify_token(token: Token, keys: Sequence[PublicKey]) -> Token:
    """The token, once its signature is known to be by one of `keys`. Raises:
    UnknownKeyError, JoseError.
    """
    fitting = [key for key in keys if may_have_signed(key.jwk, token)][:MAX_TRIED]
    if not fitting:
        raise UnknownKeyError("none of the keys is the one that it names")
    await load()
    # Other kinds of keys may have anything as their `n`.
    if any(key.jwk["kty"] == "RSA" and len(key.jwk["n"]) > HEAVY_MODULUS for key in fitting):
        return await asyncio.to_thread(_check_signature, token, fitting)
    return _check_signature(token, fitting)


def _check_signature(token: Token, keys: Sequence[PublicKey]) -> Token:
    """Raises: JoseError."""
    joserfc, registry = _import(), _find_registry(token.algorithm)
    for key in keys:
        try:
            joserfc.jws.deserialize_compact(token.compact, key.native, registry=registry)
        except (joserfc.errors.JoseError, ValueError, TypeError, KeyError):
            continue
        return token
    raise JoseError("its signature is wrong")


def check_times(
    claims: Mapping[str, Any], *, now: float, leeway: float, max_lifetime: float | None = None
) -> float:
    """The instant from which a token is no longer taken, `leeway` included (RFC 7519 §4.1.4 to §4.1.6).

    `leeway` and `max_lifetime` in seconds; the latter bounds how far off the end may be, and so how long
    what is good once must be remembered. Raises: JoseError.
    """
    ends_at = parse_instant(claims, "exp")
    if ends_at is None:
        raise JoseError("exp is missing")
    if now >= ends_at + leeway:
        raise JoseError("it has expired")
    if max_lifetime is not None and ends_at > now + max_lifetime + leeway:
        raise JoseError(f"exp is more than {max_lifetime:.0f} s away")
    for name in ("nbf", "iat"):
        instant = parse_instant(claims, name)
        if instant is not None and instant > now + leeway:
            raise JoseError(f"{name} is in the future")
    return ends_at + leeway


def parse_instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2); None where there is none. Raises: JoseError."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_INSTANT:
        raise JoseError(f"{name} must be a number of seconds")
    return float(value) if math.isfinite(value) else None


async def load() -> types.ModuleType:
    """joserfc, loaded on a thread the first time: with OpenSSL's bindings it takes a tenth of a second."""
    if _import.cache_info().currsize:
        return _import()
    return await asyncio.to_thread(_import)


@functools.cache
def _import() -> types.ModuleType:
    import joserfc  # Not at the top: see `load`.
    import joserfc.errors
    import joserfc.jwk
    import joserfc.jws

    return joserfc


@functools.cache
def _find_registry(algorithm: str) -> Any:
    """A registry of this one algorithm. A DPoP proof's header holds a whole key: more than 512 bytes."""
    jws = _import().jws
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = MAX_TOKEN
    # In place of its own, which warns of the name EdDSA (RFC 9864) each time.
    registry.get_alg = {algorithm: jws.JWSRegistry.algorithms[algorithm]}.__getitem__
    return registry
