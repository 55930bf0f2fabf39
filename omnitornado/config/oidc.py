"""`[login.oidc]`: people who sign in through an OpenID provider."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from omnitornado.config.accounts import UserSettings
from omnitornado.config.credentials import PROVIDER_SECRET, RESERVED_NAMES
from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, SCOPE, Kind, array, choice, expect_string, show, text

_URL = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]+(?:/[A-Za-z0-9\-._~%!$&'()*+,;=:@/]*)?")
_LOOPBACK = tuple(f"http://{host}{end}" for host in ("localhost", "127.0.0.1", "[::1]") for end in (":", "/"))
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")
_DOMAIN = re.compile(r"[^@\s./:]+(?:\.[^@\s./:]+)+")
_CLAIM = re.compile(r"[!-~]{1,200}")
_PREFIX = re.compile(r"[A-Za-z0-9._~/\[\]:-]{0,126}:")


def _parse_issuer(value: object) -> str:
    """OpenID Connect Discovery §3: https, and neither query nor fragment. It is compared as it stands, a
    final slash included.
    """
    issuer = expect_string(value, ISSUER.label)
    if not _URL.fullmatch(issuer) or len(issuer) > 512:
        raise ValueError(f"expected {ISSUER.label}, without a query or a fragment, found {show(issuer)}")
    try:
        parts = urlsplit(issuer)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not a URL: its host or port is malformed") from None
    if not host or port == 0:
        raise ValueError("the URL needs a host, and a port over 0 if it names one")
    if issuer.endswith("/.well-known/openid-configuration"):
        raise ValueError("the issuer alone is needed: what stands before /.well-known/openid-configuration")
    if parts.scheme == "http" and not f"{issuer}/".startswith(_LOOPBACK):
        raise ValueError("https is required unless the host is localhost, 127.0.0.1 or [::1]")
    if parts.scheme == "https" and (":" in host or host.replace(".", "").isdigit()):
        raise ValueError("the host must be a name, not an IP address")
    return issuer


ISSUER = Kind('the provider\'s address such as "https://accounts.google.com"', _parse_issuer)


def _parse_email(value: object) -> str:
    email = expect_string(value, EMAIL.label)
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise ValueError(f"expected {EMAIL.label}, found {show(email)}")
    return email.lower()


EMAIL = Kind('an e-mail address such as "ada@example.com"', _parse_email)


def _parse_domain(value: object) -> str:
    domain = expect_string(value, DOMAIN.label)
    if not _DOMAIN.fullmatch(domain) or not domain.isprintable():
        raise ValueError(f"expected {DOMAIN.label}, found {show(domain)}")
    return domain.lower()


DOMAIN = Kind('a domain such as "example.com", without those under it', _parse_domain)


def _parse_claim(value: object) -> str:
    claim = expect_string(value, CLAIM.label)
    if not _CLAIM.fullmatch(claim) or "=" in claim:
        raise ValueError(f"expected {CLAIM.label}, found {show(claim)}")
    return claim


CLAIM = Kind('the name of a claim such as "sub"', _parse_claim)


def _parse_claim_value(value: object) -> tuple[str, str]:
    name, equals, wanted = expect_string(value, CLAIM_VALUE.label).partition("=")
    if not equals or not _CLAIM.fullmatch(name) or not wanted or not wanted.isprintable():
        raise ValueError(f"expected {CLAIM_VALUE.label}")
    return name, wanted


CLAIM_VALUE = Kind('a claim and a value of it, as "groups=staff"', _parse_claim_value)


def _parse_prefix(value: object) -> str:
    prefix = expect_string(value, PREFIX.label)
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"expected {PREFIX.label}, found {show(prefix)}")
    return prefix


PREFIX = Kind('letters, digits and . - _ ~ / with a colon at the end, as "google:"', _parse_prefix)


class OidcSettings(Settings, frozen=True):
    """`[login.oidc]`"""

    issuer: Annotated[
        str,
        Key(
            kind=ISSUER,
            example="https://accounts.google.com",
            help="The provider's issuer, exactly as its own documents spell it. http is for loopback alone.",
        ),
    ]
    client_id: Annotated[
        str,
        Key(
            kind=text("the id that the provider gave", shortest=1, longest=512),
            example="my-id-at-the-provider",
            help="The id that the provider gave this server. The redirect URI to register there is this "
            "server's address with /login/oidc/callback.",
        ),
    ]
    client_secret: Annotated[
        str | None,
        Key(
            kind=PROVIDER_SECRET,
            default=None,
            example="my-secret-at-the-provider",
            secret=True,
            help="The secret that the provider gave. Left out: a public client, which PKCE alone protects.",
        ),
    ]
    token_endpoint_auth_method: Annotated[
        str | None,
        Key(
            kind=choice("client_secret_basic", "client_secret_post"),
            default=None,
            example="client_secret_post",
            help="How the secret is sent. Left out: as the provider's document says, by Basic where it takes "
            "both.",
        ),
    ]
    label: Annotated[
        str,
        Key(
            kind=text("words on one line", longest=60),
            default="",
            help='What the button on the sign-in page says; empty: "Sign in with" and the provider\'s host.',
        ),
    ]
    allowed_emails: Annotated[
        tuple[str, ...],
        Key(
            kind=array(EMAIL),
            default=[],
            example=["ada@example.com"],
            help="Who is let in, by e-mail address, in any case. It counts only where the provider says that "
            "it verified it (`email_verified`).",
        ),
    ]
    allowed_domains: Annotated[
        tuple[str, ...],
        Key(
            kind=array(DOMAIN),
            default=[],
            help="Who is let in, by the domain of their verified e-mail address.",
        ),
    ]
    allowed_claims: Annotated[
        tuple[tuple[str, str], ...],
        Key(
            kind=array(CLAIM_VALUE),
            default=[],
            help='Who is let in, by a claim that has this value, or holds it: "groups=staff", '
            '"hd=example.com"; dots lead into objects: "realm_access.roles=mcp". One of all these rules is '
            "enough.",
        ),
    ]
    allow_everyone: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether everyone is let in who has an account at the provider: for one that has your own "
            "people alone.",
        ),
    ]
    blocked: Annotated[
        tuple[str, ...],
        Key(
            kind=array(text("a name", shortest=1, longest=400)),
            default=[],
            help="Who is never let in, by what `username_claim` says of them. What they granted is void from "
            "the next start.",
        ),
    ]
    username_claim: Annotated[
        str,
        Key(
            kind=CLAIM,
            default="sub",
            help="Which claim says who it is. `sub` is the one that no provider ever gives to anyone else; "
            "`email` counts only where it is verified.",
        ),
    ]
    username_prefix: Annotated[
        str | None,
        Key(
            kind=PREFIX,
            default=None,
            example="google:",
            help="What stands before it in the name that this server knows the person by, so that it can be "
            "nobody else's. Left out: the issuer without its scheme, and a colon.",
        ),
    ]
    grantable_scopes: Annotated[
        tuple[str, ...] | None,
        Key(
            kind=array(SCOPE, shortest=1),
            default=None,
            example=["mcp"],
            help="The scopes that these people may grant to clients, unless `[[users]]` says it of one. Left "
            "out: every scope.",
        ),
    ]
    request_scopes: Annotated[
        tuple[str, ...],
        Key(
            kind=array(SCOPE, shortest=1),
            default=["openid", "profile", "email"],
            help="The scopes that the provider is asked for; its claims follow from them.",
        ),
    ]
    prompt: Annotated[
        str,
        Key(
            kind=choice("", "login", "select_account", "consent"),
            default="",
            help="What the provider shall ask each time. Empty: nothing that it need not, and for the "
            "password again where somebody who is signed in here wants another account.",
        ),
    ]
    password_form: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=True,
            help="Whether the sign-in page has the form for a username and a password as well, where anyone "
            "could use it. Without it nobody signs in by password.",
        ),
    ]

    @property
    def prefix(self) -> str:
        """What the names of the provider's people begin with."""
        return self.username_prefix or self.issuer.partition("://")[2].rstrip("/") + ":"

    def fold(self, name: str) -> str:
        """What spellings of one name have in common: an e-mail address' case means nothing."""
        return name.lower() if self.username_claim == "email" else name


def check_oidc(oidc: OidcSettings, public_url: str) -> None:
    """Raises: MismatchError for what can't work whatever stands elsewhere."""
    if "openid" not in oidc.request_scopes:
        raise MismatchError("request_scopes", '"openid" is needed (OpenID Connect Core §3.1.2.1)')
    if oidc.prefix.lower().startswith(RESERVED_NAMES):
        raise MismatchError("username_prefix", f"{show(oidc.prefix)} begins names of the server's own")
    if oidc.token_endpoint_auth_method is not None and oidc.client_secret is None:
        raise MismatchError("token_endpoint_auth_method", "needs a client_secret")
    if public_url and oidc.issuer.rstrip("/") == public_url:
        raise MismatchError("issuer", "it is this server itself, which signs nobody in by OpenID Connect")


def check_let_in(oidc: OidcSettings, users: Sequence[UserSettings]) -> None:
    """Raises: MismatchError where nobody could ever sign in, or where it can't be told who may."""
    named = [user for user in users if user.oidc_name or user.username.startswith(oidc.prefix)]
    rules = (oidc.allowed_emails, oidc.allowed_domains, oidc.allowed_claims, oidc.allow_everyone, named)
    if not any(rules):
        raise MismatchError(
            "allowed_emails",
            "who is let in? One of allowed_emails, allowed_domains, allowed_claims and allow_everyone is "
            "needed, or [[users]] with an oidc_name",
        )
    mapped = {oidc.fold(user.oidc_name) for user in users if user.oidc_name}
    for name in oidc.blocked:
        if oidc.fold(name.removeprefix(oidc.prefix)) in mapped:
            raise MismatchError(
                "blocked", f"{show(name)} is the oidc_name of one of [[users]]: take it out there"
            )


def is_at_provider(table: Mapping[str, Any], oidc: OidcSettings | None) -> bool:
    """Whether one of `[[users]]` signs in at the provider, and so needs no password here."""
    return bool(table["oidc_name"]) or (oidc is not None and table["username"].startswith(oidc.prefix))


def check_user_names(oidc: OidcSettings | None, user: UserSettings, others: Sequence[UserSettings]) -> None:
    """Raises: MismatchError for names of one of `[[users]]` that can't stand beside the provider's, or beside
    those of `others`.
    """
    if oidc is None:
        if user.oidc_name:
            raise MismatchError("oidc_name", "needs [login.oidc]")
        return
    if user.username.startswith(oidc.prefix):
        if user.password_hash is not None:
            raise MismatchError(
                "username", f"names that start with {show(oidc.prefix)} are the provider's: without password"
            )
        if user.oidc_name:
            raise MismatchError("oidc_name", "the username says already who it is at the provider")
    name = oidc.fold(user.oidc_name)
    if name and name in {oidc.fold(other.oidc_name) for other in others}:
        raise MismatchError("oidc_name", "this oidc_name is in use by another of [[users]]")
