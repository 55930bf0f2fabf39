"""The arrays of tables: who may sign in, and the preset clients."""

from typing import Annotated, Any

from omnitornado.config.addresses import JWKS_URI, REDIRECT_URI, WEB_ADDRESS
from omnitornado.config.credentials import CLIENT_ID, CLIENT_SECRET, JWKS, PASSWORD, PASSWORD_HASH, USERNAME
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, SCOPE, SCOPES, array, choice, text

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GRANTS = ("authorization_code", "refresh_token", DEVICE_CODE, CLIENT_CREDENTIALS, JWT_BEARER)


class UserSettings(Settings, frozen=True):
    """One of `[[users]]`."""

    username: Annotated[str, Key(kind=USERNAME, help="The name to sign in with.", example="admin")]
    password_hash: Annotated[
        bytes | None,
        Key(
            kind=PASSWORD_HASH,
            default=None,
            secret=True,
            help="The password's bcrypt hash, from `python -m omnitornado hash-password`. "
            "One of password_hash and password is needed, unless `[login] validate_user`, `[login.oidc]` or "
            "one of `[[identity_providers]]` says who it is.",
        ),
    ]
    scopes: Annotated[
        tuple[str, ...] | None,
        Key(
            kind=array(SCOPE, shortest=1),
            default=None,
            example=["mcp"],
            help="The scopes that this person may grant to clients. Left out: every scope.",
        ),
    ]
    name: Annotated[
        str,
        Key(kind=text("a name"), default="", help="The name to show on pages; empty shows the username."),
    ]
    oidc_name: Annotated[
        str,
        Key(
            kind=text("a name", longest=255),
            default="",
            help="Who this is at the provider of `[login.oidc]`, as its `username_claim` says it: signing in "
            "there is signing in as this person.",
        ),
    ]


PASSWORD_KEY = Key(
    kind=PASSWORD,
    default=None,
    secret=True,
    help="The plain password instead of its hash: accepted only while host and public_url are loopback. "
    "It is hashed at start and not kept.",
)


class ClientSettings(Settings, frozen=True):
    """One of `[[clients]]`: a preset client. The keys are RFC 7591's own metadata names."""

    client_id: Annotated[str, Key(kind=CLIENT_ID, help="The client's id.", example="my-client-id")]
    client_secret: Annotated[
        str | None,
        Key(
            kind=CLIENT_SECRET,
            default=None,
            secret=True,
            help="The client's secret. Left out: a public client, which PKCE alone protects.",
        ),
    ]
    client_name: Annotated[
        str,
        Key(
            kind=text("a name"), default="", help="The name that the consent page shows; empty shows the id."
        ),
    ]
    redirect_uris: Annotated[
        tuple[str, ...],
        Key(
            kind=array(REDIRECT_URI),
            default=[],
            help="Where sign-in may return to, compared exactly; on loopback any port matches. With a secret "
            "or keys it may stay empty: the first address that a person approves is bound to the client.",
        ),
    ]
    token_endpoint_auth_method: Annotated[
        str,
        Key(
            kind=choice("client_secret_basic", "client_secret_post", "private_key_jwt", "none"),
            default=None,
            example="client_secret_post",
            help="How the client proves itself at the token endpoint. Left out, what it has decides: with a "
            'secret it may use Basic or post, with keys "private_key_jwt", without both "none".',
        ),
    ]
    jwks: Annotated[
        dict[str, Any] | None,
        Key(
            kind=JWKS,
            default=None,
            example='{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "…"}]}',
            help="The client's public keys, for private_key_jwt: what it signs its assertions with.",
        ),
    ]
    jwks_uri: Annotated[
        str | None,
        Key(
            kind=JWKS_URI,
            default=None,
            example="https://app.example.com/jwks.json",
            help="Where the client's public keys are, in place of jwks; asked now and then.",
        ),
    ]
    token_endpoint_auth_signing_alg: Annotated[
        str | None,
        Key(
            kind=choice("RS256", "PS256", "ES256", "EdDSA", "Ed25519"),
            default=None,
            example="ES256",
            help="The one algorithm that the client signs with. Left out: any that fits its keys.",
        ),
    ]
    grant_types: Annotated[
        tuple[str, ...],
        Key(
            kind=array(choice(*_GRANTS)),
            default=["authorization_code", "refresh_token"],
            help="The grants that the client may use; without refresh_token people sign in again each time. "
            "The device code is for clients on machines without a browser. client_credentials is for clients "
            "that act for themselves, and for no person; jwt-bearer for those that bring an assertion of "
            "one of [[identity_providers]].",
        ),
    ]
    scope: Annotated[
        tuple[str, ...] | None,
        Key(
            kind=SCOPES,
            default=None,
            example="mcp",
            help="The scopes that the client may ask for, with spaces between them. Left out: every scope. "
            "Nothing else limits a client that acts for itself.",
        ),
    ]
    require_pushed_authorization_requests: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether the client must push its authorization requests (RFC 9126); then nobody can send a "
            "browser here with one of their own making in its name.",
        ),
    ]
    dpop_bound_access_tokens: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether the client gets tokens for a DPoP proof alone (RFC 9449 §5.2), so that nobody can "
            "use what was stolen from it. Left false, it may send proofs all the same.",
        ),
    ]
    client_uri: Annotated[
        str | None,
        Key(
            kind=WEB_ADDRESS,
            default=None,
            example="https://app.example.com",
            help="The client's home page, shown with its name.",
        ),
    ]
    either_secret_method: bool
    """Whether the client may send its secret by Basic or by post: it has one, and no method is configured."""
