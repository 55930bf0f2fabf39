"""The whole: which tables a configuration has, and the record that holds them all."""

from pathlib import Path

import msgspec

from omnitornado.config.accounts import PASSWORD_KEY, ClientSettings, UserSettings
from omnitornado.config.audit import AuditSettings
from omnitornado.config.client_documents import ClientDocumentSettings
from omnitornado.config.device import DeviceSettings
from omnitornado.config.dpop import DpopSettings
from omnitornado.config.endpoint import McpSettings
from omnitornado.config.identity_providers import IdentityProviderSettings
from omnitornado.config.keys import Section
from omnitornado.config.limits import LimitSettings
from omnitornado.config.oidc import OidcSettings
from omnitornado.config.outbound import OutboundSettings
from omnitornado.config.pushed_requests import PushedRequestSettings
from omnitornado.config.registration import RegistrationSettings
from omnitornado.config.resource_servers import ResourceServerSettings
from omnitornado.config.scopes import ScopeSettings
from omnitornado.config.settings import (
    LoginSettings,
    ServerSettings,
)
from omnitornado.config.store import StoreSettings
from omnitornado.config.tasks import TaskSettings
from omnitornado.config.tokens import TokenSettings
from omnitornado.config.upstreams import NOT_YET, UpstreamSettings


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole valid configuration."""

    server: ServerSettings
    tokens: TokenSettings
    store: StoreSettings
    registration: RegistrationSettings
    client_documents: ClientDocumentSettings
    outbound: OutboundSettings
    login: LoginSettings
    oidc: OidcSettings | None
    audit: AuditSettings
    limits: LimitSettings
    device: DeviceSettings
    pushed_requests: PushedRequestSettings
    dpop: DpopSettings
    users: tuple[UserSettings, ...]
    clients: tuple[ClientSettings, ...]
    identity_providers: tuple[IdentityProviderSettings, ...]
    resource_servers: tuple[ResourceServerSettings, ...]
    scopes: tuple[ScopeSettings, ...]
    mcp: McpSettings
    upstreams: tuple[UpstreamSettings, ...]
    tasks: TaskSettings
    folder: Path
    """The configuration file's folder, absolute: relative paths and `app` start there."""
    source: str
    """The file's name as it was given, for messages; "<python>" for a dictionary."""

    @property
    def has_own_endpoint(self) -> bool:
        """Whether `[mcp] path` is served: an endpoint without tools is not, where there are upstreams."""
        return bool(self.mcp.app or self.mcp.skills or not self.upstreams)

    @property
    def mcp_paths(self) -> tuple[str, ...]:
        """Every protected path, the first one first."""
        own = (self.mcp.path,) if self.has_own_endpoint else ()
        return own + tuple(upstream.path for upstream in self.upstreams)


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """The command line's replacements for keys of `[server]`; None leaves the file's."""

    host: str | None = None
    port: int | None = None
    public_url: str | None = None


SECTIONS = (
    Section(name="server", settings=ServerSettings, help="Where the server listens and what its address is."),
    Section(
        name="tokens",
        settings=TokenSettings,
        help='How long what the server issues lives: "90s" "15m" "1h" "30d", or whole seconds.',
    ),
    Section(
        name="store", settings=StoreSettings, help="Where clients, grants, tokens and sessions are kept."
    ),
    Section(
        name="registration",
        settings=RegistrationSettings,
        help="Clients that register themselves (RFC 7591).",
    ),
    Section(
        name="client_documents",
        settings=ClientDocumentSettings,
        help="Clients that are known by a document of their own, whose address is their id (Client ID "
        "Metadata Documents).",
    ),
    Section(
        name="outbound",
        settings=OutboundSettings,
        help="What the server itself asks of other hosts, always by https.",
    ),
    Section(name="login", settings=LoginSettings, help="Signing in at the browser."),
    Section(
        name="login.oidc",
        settings=OidcSettings,
        is_optional=True,
        help="Signing in through an OpenID provider: Google, Entra, Keycloak and the like.",
    ),
    Section(
        name="limits",
        settings=LimitSettings,
        help="How much is kept of one person, so that nobody fills the memory.",
    ),
    Section(name="audit", settings=AuditSettings, help="A record of who did what, for later."),
    Section(
        name="device",
        settings=DeviceSettings,
        help="Signing in from machines without a browser (RFC 8628).",
    ),
    Section(
        name="pushed_requests",
        settings=PushedRequestSettings,
        help="Authorization requests that clients send to the server themselves (RFC 9126).",
    ),
    Section(
        name="dpop",
        settings=DpopSettings,
        help="Tokens bound to a key of the client's, worth nothing to who steals them (RFC 9449).",
    ),
    Section(
        name="users",
        settings=UserSettings,
        is_array=True,
        inputs={"password": PASSWORD_KEY},
        help="The people who may sign in, one table each.",
    ),
    Section(
        name="clients",
        settings=ClientSettings,
        is_array=True,
        help="Preset clients, one table each, for those that can't or shouldn't register themselves.",
    ),
    Section(
        name="identity_providers",
        settings=IdentityProviderSettings,
        is_array=True,
        help="Who may vouch for people, so that clients get tokens for them without a page (MCP extension of "
        "enterprise-managed authorization, SEP-990), one table each.",
    ),
    Section(
        name="resource_servers",
        settings=ResourceServerSettings,
        is_array=True,
        help="Other servers that may ask here what a token is good for (RFC 7662), one table each.",
    ),
    Section(
        name="scopes",
        settings=ScopeSettings,
        is_array=True,
        help="What scopes mean in words, and which others they imply, one table each.",
    ),
    Section(
        name="mcp",
        settings=McpSettings,
        help="The MCP endpoint and the tools behind it.",
    ),
    Section(
        name="mcp.upstreams",
        settings=UpstreamSettings,
        is_array=True,
        refused={"url": NOT_YET, "headers": NOT_YET},
        help="Existing MCP servers behind the same login, one table each, each at a path of its own.",
    ),
    Section(
        name="tasks",
        settings=TaskSettings,
        help="Calls that outlast their request, with clients that take tasks (MCP extension, SEP-2663).",
    ),
)
