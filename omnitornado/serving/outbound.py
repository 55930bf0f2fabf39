"""What the server asks of others, from the configuration."""

from urllib.parse import urlsplit

from omnitornado.config import Config
from omnitornado.net.fetched import Fetch
from omnitornado.net.guarded_fetch import GuardedFetch
from omnitornado.oauth.client_documents import DocumentRules


def build_fetch(config: Config) -> Fetch:
    """The guarded fetch of a server: never of itself, and inside its own network only where it is told to."""
    own = urlsplit(config.server.public_url).hostname
    return GuardedFetch(
        trusted_hosts=config.outbound.trusted_hosts, refused_hosts=[] if own is None else [own]
    ).fetch


def build_provider_fetch(config: Config) -> Fetch | None:
    """What the OpenID provider alone is asked with, so that nobody who has other hosts asked is in its way.

    It may stand beside this server, under the same name, and be developed on this machine.
    """
    if config.oidc is None:
        return None
    is_local = config.oidc.issuer.startswith("http:")
    return GuardedFetch(
        trusted_hosts=config.outbound.trusted_hosts,
        loopback_origins=[build_origin(config.oidc.issuer)] if is_local else [],
    ).fetch


def build_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def build_document_rules(config: Config) -> DocumentRules:
    settings = config.client_documents
    return DocumentRules(
        mode=settings.mode,
        allowed_hosts=settings.allowed_hosts,
        denied_hosts=settings.denied_hosts,
        longest=settings.longest_cache,
    )
