"""Implements: OpenID Connect Core §5.1 and §5.7: who the provider's claims name, and whether they are let in.

An e-mail address counts where the provider verified it, and nowhere else. One of the rules is enough.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omnitornado.oauth.people import fold_email
from omnitornado.oauth.provider import Failure, ProviderError

MAX_NAME: Final = 255


class AdmissionRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who of the provider's people is let in."""

    everyone: bool = False
    emails: frozenset[str] = frozenset()
    """In lower case."""
    domains: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()
    """A claim, dots leading into objects, and the value that it must have or hold."""
    username_claim: str = "sub"

    def may_need_more(self, claims: Mapping[str, Any]) -> bool:
        """Whether claims that are missing could change what the rules say."""
        if self._find_value(claims) is None:
            return True
        if self.let_in(claims):
            return False
        needed = [name for name, _ in self.claims]
        if self.emails or self.domains:
            needed += ["email", "email_verified"]
        return any(find_claim(claims, name) is None for name in needed)

    def find_name(self, claims: Mapping[str, Any]) -> str:
        """Who it is at the provider. Raises: ProviderError."""
        value = self._find_value(claims)
        if value is None:
            raise ProviderError(
                f"there is no {self.username_claim}, or it is not verified",
                failure=Failure.UNUSABLE,
                reason="oidc_claim_missing",
            )
        if not is_shown_name(value) or len(str(value)) > MAX_NAME:
            raise ProviderError(
                f"{self.username_claim} is not a name", failure=Failure.UNUSABLE, reason="oidc_name_malformed"
            )
        return str(value)

    def _find_value(self, claims: Mapping[str, Any]) -> Any:
        if self.username_claim == "email":
            return find_verified_email(claims)
        return find_claim(claims, self.username_claim)

    def let_in(self, claims: Mapping[str, Any]) -> bool:
        """Whether one of the rules lets the person in."""
        if self.everyone:
            return True
        email = find_verified_email(claims)
        if email is not None and (email in self.emails or email.rpartition("@")[2] in self.domains):
            return True
        return any(holds(find_claim(claims, name), wanted) for name, wanted in self.claims)


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; where there is none of it, dots lead into objects. None for nothing."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def holds(value: object, wanted: str) -> bool:
    """Whether a claim has this value, or is an array that holds it."""
    return wanted in (value if isinstance(value, list) else [value])


def find_verified_email(claims: Mapping[str, Any]) -> str | None:
    """The e-mail address in lower case; None where the provider does not say that it verified it."""
    email, told = claims.get("email"), claims.get("email_verified")
    # Some providers send the boolean as a string.
    is_verified = told is True or told == "true"
    return fold_email(email) if is_verified and isinstance(email, str) and email.count("@") == 1 else None


def find_shown_name(claims: Mapping[str, Any]) -> str:
    """A name for the person's own eyes; "" where there is none that can be shown."""
    candidates = (find_verified_email(claims), claims.get("preferred_username"), claims.get("name"))
    return next((str(name) for name in candidates if is_shown_name(name) and len(str(name)) <= 128), "")


def is_shown_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable() and value == value.strip()
