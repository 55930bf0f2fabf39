"""Our choice, after RFC 6265 §5.3 and RFC 9700 §4.7: the signed-in browser and the anti-forgery field of its
forms.

The cookie's value is 256 random bits; the store keeps its digest. Before sign-in the browser holds such a
value too, which the store knows nothing of, and sign-in replaces it (no session fixation). A form's field is
an HMAC keyed by that value over the form's purpose and what it showed: who does not hold the cookie can't
make one, nothing is kept for it, and a restart does not void it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from omnitornado.base64url import decode, encode
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.secrets import TokenBytes, digest
from omnitornado.store.records import BrowserSession
from omnitornado.store.transitions import Store

COOKIE_BYTES: Final = 32


class BrowserSessions:
    """Sessions of signed-in people. `lifetime` in seconds, counted from the sign-in."""

    def __init__(
        self,
        store: Store,
        people: People,
        *,
        lifetime: float,
        token_bytes: TokenBytes = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._people = people
        self._token_bytes = token_bytes
        self.lifetime = lifetime

    def build_cookie(self) -> str:
        """A value for a browser that has none yet."""
        return encode(self._token_bytes(COOKIE_BYTES))

    async def open(
        self, person: Person, *, replaces: str | None, address: str, user_agent: str, now: float
    ) -> str:
        """Sign a browser in: the new cookie value. The old one is worth nothing from here on."""
        cookie = self.build_cookie()
        session = BrowserSession(
            username=person.username,
            signed_in_at=now,
            expires_at=now + self.lifetime,
            address=address,
            user_agent=user_agent[:200],
            sign_in_stamp=self._build_stamp(person),
            shown_name=person.name,
        )
        await self._store.open_session(
            digest(cookie), session, replaces=None if replaces is None else digest(replaces)
        )
        return cookie

    async def find(self, cookie: str | None, *, now: float) -> tuple[BrowserSession, Person] | None:
        """Who is signed in with this cookie; None for nobody, for somebody who is gone, and where the
        password, or the name at the OpenID provider, has changed since.
        """
        if cookie is None:
            return None
        session = await self._store.find_session(digest(cookie), now=now)
        person = None if session is None else self._people.find(session.username)
        if session is None or person is None:
            return None
        # Whoever knew the old password, or has the old name at the provider, may have signed in with it.
        is_same = hmac.compare_digest(session.sign_in_stamp, self._build_stamp(person))
        if not is_same:
            return None
        return session, person if person.name else replace(person, name=session.shown_name)

    def _build_stamp(self, person: Person) -> bytes:
        names = self._people.find_provider_names(person.username)
        return build_sign_in_stamp(person.password_hash, names)

    async def close(self, cookie: str) -> None:
        """Sign the browser out."""
        await self._store.close_session(digest(cookie))


def build_sign_in_stamp(password_hash: bytes | None, provider_names: Sequence[str]) -> bytes:
    """What tells a password, and the names at the OpenID provider that are taken for somebody, from those
    before: a digest, with the password's bcrypt hash, which nobody guesses. Empty for neither.
    """
    if not password_hash and not provider_names:
        return b""
    # No hash has a line's end in it, and each name stands with its length.
    names = "".join(f"\n{len(name)} {name}" for name in provider_names)
    return hashlib.sha256((password_hash or b"") + names.encode("utf-8", "surrogatepass")).digest()


def is_cookie(value: str) -> bool:
    """Whether a cookie's value is one that `build_cookie` could have made."""
    raw = decode(value)
    return raw is not None and len(raw) == COOKIE_BYTES


def build_form_token(cookie: str, purpose: str, shown: str = "") -> str:
    """The anti-forgery field of a form for `purpose` that showed `shown` (an authorization query)."""
    mac = hmac.digest(
        cookie.encode("ascii"), f"{purpose}\0{shown}".encode("utf-8", "surrogatepass"), "sha256"
    )
    return encode(mac)


def is_form_token(token: str | None, cookie: str | None, purpose: str, shown: str = "") -> bool:
    """Whether the field is the one this browser was given for this form. Constant time."""
    if not token or not cookie or not is_cookie(cookie):
        return False
    expected = build_form_token(cookie, purpose, shown)
    return hmac.compare_digest(expected.encode("ascii"), token.encode("utf-8", "surrogatepass"))
