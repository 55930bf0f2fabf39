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


def build_document_rules(config: Config) -> DocumentRules:
    settings = config.client_documents
    return DocumentRules(
        mode=settings.mode,
        allowed_hosts=settings.allowed_hosts,
        denied_hosts=settings.denied_hosts,
        longest=settings.longest_cache,
    )
