"""Our choice ([login.oidc]): the OpenID provider that people may sign in through, and how that can fail."""

import enum
from urllib.parse import urlsplit

import msgspec


class OpenIDProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, as the operator describes it."""

    issuer: str
    """As the provider spells it (OpenID Connect Discovery §3); it is compared as it stands."""
    client_id: str
    client_secret: str | None = None
    """None: a public client, which PKCE alone protects."""
    auth_method: str | None = None
    """How the secret is sent; None: as the provider's document says."""
    label: str = ""
    """What the button says; "" for words of ours."""
    request_scopes: tuple[str, ...] = ("openid", "profile", "email")
    prompt: str = ""
    """OpenID Connect Core §3.1.2.1, sent each time; "" for what the occasion needs."""

    @property
    def button(self) -> str:
        """What the button says."""
        return self.label or f"Sign in with {self.host}"

    @property
    def host(self) -> str:
        """Its name for people and for the log."""
        return urlsplit(self.issuer).netloc

    def __repr__(self) -> str:
        """Without the secret, so that a log line can't show it."""
        return f"OpenIDProvider(issuer={self.issuer!r}, client_id={self.client_id!r})"


class Failure(enum.Enum):
    """What a person can do about a sign-in that failed."""

    ENDED = "ended"
    """It was not begun in this browser, took too long, or has been used: begin again."""
    DENIED = "denied"
    """The provider did not sign them in, or they did not want to."""
    NOT_ALLOWED = "not_allowed"
    """The provider knows them, and this server does not let them in: use another account."""
    UNREACHABLE = "unreachable"
    """Nothing can be told now: try again later."""
    UNUSABLE = "unusable"
    """What the provider said can't be believed or used: the operator has to look."""


class ProviderError(Exception):
    """A sign-in through the provider that failed. `str()` is for the log, and so is `reason`; `user` is the
    name of somebody whom the provider vouched for.
    """

    def __init__(self, detail: str, *, failure: Failure, reason: str, user: str | None = None) -> None:
        super().__init__(detail)
        self.failure = failure
        self.reason = reason
        self.user = user
