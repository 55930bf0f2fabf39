"""What the store keeps: immutable records, replaced whole and never changed in place.

Instants (`_at`) are seconds since the epoch, as `time.time()` gives. Secrets stand here as SHA-256 digests
(32 bytes) alone: who reads the files learns no code, token, session id or client secret. The one exception is
`Key`, which the server needs itself.
"""

from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, array_like=True, omit_defaults=False, gc=False):
    """The base of every record: positional on disk, so that a field is only ever added at the end."""


class Client(Record, frozen=True):
    """A dynamically registered client (RFC 7591 §3.2.1). Preset clients live in the configuration."""

    client_id: str
    secret_hash: bytes | None
    """SHA-256 of the client secret; None for `token_endpoint_auth_method` "none"."""
    client_name: str
    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    grant_types: tuple[str, ...]
    issued_at: float
    expires_at: float | None
    """When the registration lapses unless it has got a grant by then; None for never."""
    metadata: dict[str, Any]
    """The other accepted RFC 7591 members, returned as they were given (client_uri, scope, …)."""
    used_at: float | None = None
    """When it first got a grant; None until then. Set by the store: a used client never lapses."""
    registration_hash: bytes | None = None
    """Digest of the registration access token (RFC 7592 §3) that may read, change and delete the
    registration; None: nobody may.
    """
    used_by: str = ""
    """The person who was the first to allow it in. Set by the store."""


class AuthorizationCode(Record, frozen=True):
    """An authorization code (RFC 6749 §4.1.2), keyed by the digest of its value."""

    client_id: str
    username: str
    redirect_uri: str
    redirect_uri_given: bool
    """False where the request left `redirect_uri` out (then the token request may leave it out as well)."""
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    """Keys of the protected resources (RFC 8707) this code is good for."""
    code_challenge: str
    """PKCE S256 challenge (RFC 7636 §4.2)."""
    expires_at: float
    grant_id: bytes | None = None
    """The grant made from this code; set once the code was redeemed, so that a replay can revoke it."""
    dpop_jkt: str = ""
    """Thumbprint of the key that it may be redeemed with alone (RFC 9449 §10); "" for any or none."""


class PushedRequest(Record, frozen=True):
    """An authorization request that its client pushed (RFC 9126 §2), keyed by the digest of its name's
    secret.
    """

    client_id: str
    query: str
    """The request as a browser would have brought it, without what the client proved itself by."""
    pushed_at: float
    expires_at: float
    party: str = ""
    """With whose it is counted, so that strangers push nobody else's out: `preset`, or "" for strangers."""


class DeviceCode(Record, frozen=True):
    """A device's request for access (RFC 8628 §3.2), keyed by a digest of its user code."""

    client_id: str
    client_name: str
    device_hash: bytes
    """Digest of the device code."""
    scope: tuple[str, ...]
    """What was asked for; once a person has approved, what they granted."""
    resources: tuple[str, ...]
    issued_at: float
    code_expires_at: float
    """When both codes end."""
    expires_at: float
    """Until when it is remembered, so that a late or second use is told from an unknown code."""
    interval: float
    """Seconds that the device must wait between two polls; grows where it does not (§3.5)."""
    address: str = ""
    """Where the device asked from, for the person who is to approve."""
    polled_at: float = 0.0
    username: str | None = None
    """Who has decided; None while nobody has."""
    is_approved: bool = False
    grant_id: bytes | None = None
    """The grant made from it; set once it was redeemed, so that a replay can revoke it."""


class Grant(Record, frozen=True):
    """What a person allowed a client, keyed by its id. Every token refers to one; without it they are void.

    The grant carries its refresh token's state itself: one record a grant however often the token rotates. A
    refresh token is `grant id + 32 random bytes`, so a token that names a living grant but is neither the
    current one nor the one before it (within the grace) is a reused one (RFC 9700 §4.14.2).
    """

    grant_id: bytes
    """16 random bytes. Part of the refresh token: never logged, never shown."""
    client_id: str
    client_name: str
    username: str
    redirect_uri: str
    """Where the code went; "" where a device asked (RFC 8628)."""
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    created_at: float
    last_used_at: float
    expires_at: float
    """The grant ends when the last token that may still use it does."""
    refresh_hash: bytes | None = None
    """Digest of the current refresh token; None where the client gets none."""
    previous_hash: bytes | None = None
    """Digest of the refresh token before it."""
    rotated_at: float = 0.0
    sealed_refresh: bytes = b""
    """The current refresh token, sealed under the one before it: only who presents that one can open it."""
    sealed_access: bytes = b""
    """The access token issued with it, sealed the same way."""
    public_id: str = ""
    """A name for this grant that may be shown and logged."""
    jkt: str = ""
    """Thumbprint of the key that its refresh tokens are bound to (RFC 9449 §5); "" for none."""
    provider: str = ""
    """The identity provider by whose word it was made; "" where the person said yes here."""


class AccessToken(Record, frozen=True):
    """An access token, keyed by the digest of its value. Kept small: there may be a million."""

    grant_id: bytes
    expires_at: float
    scope: tuple[str, ...] | None = None
    """None: the grant's scope."""
    resources: tuple[str, ...] | None = None
    """None: the grant's resources."""
    jkt: str = ""
    """Thumbprint of the key that it is bound to (RFC 9449 §6); "" for none: a bearer token."""


class BrowserSession(Record, frozen=True):
    """A person signed in at a browser, keyed by the digest of the cookie's value."""

    username: str
    signed_in_at: float
    expires_at: float
    address: str = ""
    user_agent: str = ""
    sign_in_stamp: bytes = b""
    """A digest of what let the person in by the configuration: the hash of the password, the names at the
    OpenID provider; empty where neither stands there."""
    shown_name: str = ""
    """What pages call the person, where another server said so at the sign-in."""


class Consent(Record, frozen=True):
    """A remembered approval for one resource, keyed by `build_consent_key(...)`."""

    username: str
    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    granted_at: float
    resource: str = ""
    """What it covers (RFC 8707): "" for a server without resources. One from before there was this field
    covers none that has a name.
    """


class RedirectBinding(Record, frozen=True):
    """The redirect URI a preset client without any was bound to by its first approval; keyed by client id."""

    client_id: str
    redirect_uri: str
    username: str
    bound_at: float


class McpSession(Record, frozen=True):
    """A session of the handshake revisions, keyed by the digest of its id."""

    username: str
    client_id: str
    path: str
    """The MCP endpoint's path it was opened at."""
    protocol_version: str
    client_info: dict[str, Any]
    capabilities: dict[str, Any]
    created_at: float
    expires_at: float
    renewed_at: float = 0.0
    """When its end last moved on; 0 until then. Set by the store: end minus this (or minus `created_at`) is
    the lifetime to renew by."""
    subscriptions: tuple[str, ...] = ()
    """URIs of resources whose updates the client wants to hear of, in its order."""
    log_level: str = ""
    """From which level on the client wants log messages; empty: it has not said."""


class Key(Record, frozen=True):
    """A key of the server's own, by its name: what it seals must still open after a restart.

    It opens no door by itself: who reads it off the disk can read and forge what was sealed with it, and
    that alone (for one name, the state of a call that waits for a person's answer).
    """

    value: bytes
    created_at: float


class Task(Record, frozen=True):
    """A call that outlasts its request (the tasks extension, SEP-2663), keyed by the digest of its id.

    What it came to is sealed under the id itself: who reads the files learns whose task it is and how it
    stands, and nothing of its result.
    """

    username: str
    client_id: str
    path: str
    """The MCP endpoint's path it was started at."""
    tool: str
    scopes: tuple[str, ...]
    """What the tool asked for when the task was started: reading the result needs it, too."""
    status: str
    """`working`, `completed`, `failed` or `cancelled`. It changes once."""
    created_at: float
    updated_at: float
    expires_at: float
    poll_interval: float
    """Seconds between two looks that the client was told."""
    cause: str = ""
    """Why it ended, where that was not the tool's doing: `interrupted`, `cancelled`, `revoked`."""
    sealed: bytes = b""
    """The result or the error."""


class KnownAddress(Record, frozen=True):
    """An address from which a person has signed in before, keyed by a digest of both."""

    username: str
    expires_at: float


class UsedValue(Record, frozen=True):
    """A value that was good once and has been used, keyed by `build_use_key(...)`."""

    party: str
    """Whose it was, as a digest: what one party may fill is bounded."""
    expires_at: float
    """Nobody takes the value from here on, used or not."""
    purpose: str = ""
    """What it was good for: those of each purpose are bounded by themselves. "" before there was this."""


class ClientDocument(Record, frozen=True):
    """The last good copy of a client's own document, keyed by its address (which is the client's id)."""

    document: dict[str, Any]
    """As it was fetched."""
    fetched_at: float
    fresh_until: float
    """When it should be fetched again."""
    expires_at: float
    """When it is no longer used, whatever its address says or doesn't."""
    used_at: float | None = None
    """When its client first got a grant; None until then. Set by the store."""
