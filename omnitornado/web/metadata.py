"""The discovery documents (RFC 8414 §3, RFC 9728 §3, OpenID Connect Discovery §4), at every address clients
look for.
"""

from tornado.web import HTTPError

from omnitornado.oauth.metadata import build_resource_metadata, build_server_metadata
from omnitornado.web.base import BaseHandler

MAX_AGE = 300
"""Seconds a document may be kept: they change with the configuration alone."""


class MetadataHandler(BaseHandler):
    """A public document. Which one depends on nothing but the address."""

    event = "metadata"
    is_audited = False
    is_cors_open = True

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Vary", "Host")

    def send_document(self, document: object) -> None:
        self.set_header("Cache-Control", f"public, max-age={MAX_AGE}")
        self.write_json(document)


class ServerMetadataHandler(MetadataHandler):
    """RFC 8414. Below the well-known address anything but a protected path is unknown."""

    def get(self, path: str | None = None) -> None:
        wanted = (path or "").rstrip("/")
        if wanted and not any(wanted == resource.path for resource in self.services.resources):
            raise HTTPError(404, "no such protected resource")
        self.send_document(
            build_server_metadata(
                issuer=self.issuer,
                scopes=self.services.scopes,
                resources=self.services.resources,
                can_register=self.services.can_register,
                can_use_devices=self.services.can_use_devices,
                can_push=self.services.can_push,
                must_push=self.services.must_push,
                can_introspect=bool(self.services.introspection.servers),
                takes_documents=self.services.clients.takes_documents,
                has_machines=self.services.clients.has_machines,
                takes_id_jags=bool(self.services.tokens.providers),
            )
        )


class ResourceMetadataHandler(MetadataHandler):
    """RFC 9728. Without a path it describes the server's own endpoint."""

    def get(self, path: str | None = None) -> None:
        resources = self.services.resources
        wanted = (path or "").rstrip("/")
        found = resources[0] if not wanted else next((r for r in resources if r.path == wanted), None)
        if found is None:
            raise HTTPError(404, "no such protected resource")
        needs_dpop = self.services.proofs.policy.required
        self.send_document(build_resource_metadata(found, issuer=self.issuer, needs_dpop=needs_dpop))
