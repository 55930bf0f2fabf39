"""The configuration: TOML to frozen settings, every key checked at start. A leaf: it imports no other room.

`settings` and `accounts` declare each key once; `build` checks a file or a dictionary against them; `writing`
and `fresh` write the documentation and a new file from the same declarations.
"""

from omnitornado.config.accounts import ClientSettings, UserSettings
from omnitornado.config.addresses import RESERVED_SEGMENTS, is_loopback_host
from omnitornado.config.audit import AuditSettings
from omnitornado.config.build import build_config, build_key_error, load_config
from omnitornado.config.client_documents import ClientDocumentSettings
from omnitornado.config.device import DeviceSettings
from omnitornado.config.endpoint import McpSettings
from omnitornado.config.errors import ConfigError
from omnitornado.config.identity_providers import IdentityProviderSettings
from omnitornado.config.oidc import OidcSettings
from omnitornado.config.outbound import OutboundSettings
from omnitornado.config.pushed_requests import PushedRequestSettings
from omnitornado.config.registration import RegistrationSettings
from omnitornado.config.resource_servers import ResourceServerSettings
from omnitornado.config.scopes import ScopeSettings
from omnitornado.config.sections import SECTIONS, Config, Overrides
from omnitornado.config.settings import (
    LoginSettings,
    ServerSettings,
)
from omnitornado.config.store import StoreSettings
from omnitornado.config.tasks import TaskSettings
from omnitornado.config.tokens import TokenSettings
from omnitornado.config.upstreams import UpstreamSettings
from omnitornado.config.writing import build_base_url, build_reference, describe_config

__all__ = [
    "RESERVED_SEGMENTS",
    "SECTIONS",
    "AuditSettings",
    "ClientDocumentSettings",
    "ClientSettings",
    "Config",
    "ConfigError",
    "DeviceSettings",
    "IdentityProviderSettings",
    "LoginSettings",
    "McpSettings",
    "OidcSettings",
    "OutboundSettings",
    "Overrides",
    "PushedRequestSettings",
    "RegistrationSettings",
    "ResourceServerSettings",
    "ScopeSettings",
    "ServerSettings",
    "StoreSettings",
    "TaskSettings",
    "TokenSettings",
    "UpstreamSettings",
    "UserSettings",
    "build_base_url",
    "build_config",
    "build_key_error",
    "build_reference",
    "describe_config",
    "is_loopback_host",
    "load_config",
]
