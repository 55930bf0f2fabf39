"""`[[identity_providers]]`: who may vouch for people, so that clients get tokens for them without a page."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from omnitornado.config.addresses import JWKS_URI
from omnitornado.config.credentials import CLIENT_ID, JWKS, USERNAME
from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import SCOPE, Kind, array, choice, duration, expect_string, name_type, text

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MAX_CLAIM = 255
"""Characters of a subject (OpenID Connect Core §2)."""


def _parse_name(value: object) -> str:
    name = expect_string(value, PROVIDER_NAME.label)
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected {PROVIDER_NAME.label}")
    return name


PROVIDER_NAME = Kind("1 to 32 small letters, digits and hyphens", _parse_name)


def _parse_issuer(value: object) -> str:
    """RFC 8414 §2. Kept to the letter: a final slash is part of some providers' names."""
    issuer = expect_string(value, ISSUER.label)
    try:
        parts = urlsplit(issuer)
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or not issuer.isprintable():
        raise ValueError(f"expected {ISSUER.label}")
    if parts.query or parts.fragment or issuer.endswith(("?", "#")) or " " in issuer:
        raise ValueError("an issuer has no query and no fragment (RFC 8414 §2)")
    return issuer


ISSUER = Kind('an issuer such as "https://login.example.com"', _parse_issuer)


def _expect_table(value: object, label: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {label}, found {name_type(value)}")
    if any(not 1 <= len(name) <= _MAX_CLAIM for name in value):
        raise ValueError(f"a name in it has 1 to {_MAX_CLAIM} characters")
    return value


def _parse_subjects(value: object) -> dict[str, str]:
    table = _expect_table(value, SUBJECTS.label)
    return {subject: USERNAME.parse(username) for subject, username in table.items()}


SUBJECTS = Kind("a table of usernames by what the provider calls the people", _parse_subjects)


def _parse_claims(value: object) -> dict[str, str | int | bool]:
    table = _expect_table(value, CLAIMS.label)
    if not all(isinstance(wanted, str | int | bool) for wanted in table.values()):
        raise ValueError("a claim is to be a string, a whole number, true or false")
    return dict(table)


CLAIMS = Kind("a table of values by the names of claims", _parse_claims)


class IdentityProviderSettings(Settings, frozen=True):
    """One of `[[identity_providers]]`."""

    name: Annotated[
        str,
        Key(
            kind=PROVIDER_NAME,
            help='What the log calls it. With people = "any" it is part of their names.',
            example="acme",
        ),
    ]
    issuer: Annotated[
        str,
        Key(
            kind=ISSUER,
            help="The provider's issuer, to the letter: what stands as `iss` in what it signs.",
            example="https://acme.example.com",
        ),
    ]
    jwks_uri: Annotated[
        str | None,
        Key(
            kind=JWKS_URI,
            default=None,
            example="https://acme.example.com/keys",
            help="Where its public keys are. Left out, with no jwks: read from the issuer's metadata.",
        ),
    ]
    jwks: Annotated[
        dict[str, Any] | None,
        Key(
            kind=JWKS,
            default=None,
            example='{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "…"}]}',
            help="Its public keys themselves, where it can't be asked.",
        ),
    ]
    clients: Annotated[
        tuple[str, ...],
        Key(
            kind=array(CLIENT_ID),
            default=[],
            help="The ids of the only clients that may bring its assertions. Empty: every one of [[clients]] "
            "that has the grant. One that is known by its own document has to be named here.",
        ),
    ]
    person_claim: Annotated[
        str,
        Key(
            kind=text("the name of a claim", shortest=1),
            default="sub",
            help="The claim that says who a person is. Never one that people can change themselves.",
        ),
    ]
    people: Annotated[
        Literal["listed", "any", "login"],
        Key(
            kind=choice("listed", "any", "login"),
            default="listed",
            help='"listed": people whose username in [[users]] is what the claim says. "any": whomever it '
            "vouches for, under names of their own that begin with idp: and the provider's name. "
            '"login": whoever [login.oidc], which has to be the same provider, would let in, under the same '
            "names.",
        ),
    ]
    subjects: Annotated[
        dict[str, str],
        Key(
            kind=SUBJECTS,
            default={},
            help="Usernames by what the claim says, for people whose names differ; this counts first.",
        ),
    ]
    claims: Annotated[
        dict[str, str | int | bool],
        Key(
            kind=CLAIMS,
            default={},
            help="What else has to stand in an assertion: each claim is this value, or a list that holds it.",
        ),
    ]
    scopes: Annotated[
        tuple[str, ...] | None,
        Key(
            kind=array(SCOPE, shortest=1),
            default=None,
            example=["mcp"],
            help="The scopes that can be had by its word at most. Left out: every scope.",
        ),
    ]
    access_token_lifetime: Annotated[
        float | None,
        Key(
            kind=duration(),
            default=None,
            example="15m",
            help="How long a token that was got by its word lasts at most: so long it takes until somebody "
            "who is removed there is out here. Left out: as in [tokens].",
        ),
    ]


def check_provider(values: Mapping[str, Any], public_url: str, login_issuer: str | None) -> None:
    """Its keys are in one place, and it is not this server; and who a person is stands in one place.
    `login_issuer`: that of `[login.oidc]`. Raises: MismatchError.
    """
    if values["people"] == "login":
        if values["issuer"] != login_issuer:
            raise MismatchError("people", '"login" needs a [login.oidc] with the same issuer')
        if values["subjects"]:
            raise MismatchError("subjects", 'with people = "login", oidc_name in [[users]] says it')
        if values["person_claim"] != "sub":
            raise MismatchError("person_claim", 'with people = "login", [login.oidc] username_claim says it')
    if values["jwks"] is not None and values["jwks_uri"] is not None:
        raise MismatchError("jwks_uri", "jwks and jwks_uri are both set: keep one")
    if public_url and values["issuer"].rstrip("/") == public_url:
        raise MismatchError("issuer", "this is the server itself: no one can vouch for people to itself")
