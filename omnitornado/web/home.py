"""The page at `/`, and what else a server has: its health, and the answer for an address that is nobody's."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tornado.web import HTTPError

from omnitornado.web.connect import build_guides
from omnitornado.web.pages import PageHandler
from omnitornado.web.services import Services

CONTENT_TYPES: Final = {"css": "text/css; charset=UTF-8", "svg": "image/svg+xml"}
"""By file name extension: what else lies in the folder is not served."""
MAX_AGE: Final = 3600
"""Seconds a browser may keep a file: they change with the version alone."""


class HomeHandler(PageHandler):
    """What this server is, and how to connect each known client to it."""

    event = "home"
    is_audited = False

    async def get(self) -> None:
        path = self.services.resources[0].path if self.services.resources else ""
        url = self.services.resources[0].build_url(self.issuer) if self.services.resources else self.issuer
        self.render_page(
            "home.html",
            mcp_url=url,
            issuer=self.issuer,
            guides=build_guides(url, name=self.services.server_name),
            upstreams=[
                (one, self.issuer + one.path) for one in self.services.find_health() if one.path != path
            ],
            signed_in=await self.find_session() is not None,
        )


class NotFoundHandler(PageHandler):
    """Any other address."""

    event = "notfound"
    is_audited = False

    def check_request(self) -> None:
        raise HTTPError(404)


class StaticHandler(PageHandler):
    """The stylesheet and the pictures: the files of one folder, and nothing else by whatever name."""

    event = "static"
    is_audited = False

    def initialize(self, services: Services, folder: Path) -> None:  # type: ignore[override]
        super().initialize(services)
        self.folder = folder

    def check_request(self) -> None:
        """Any Host will do: there is nothing here to hide."""

    def get(self, name: str) -> None:
        content_type = CONTENT_TYPES.get(name.rpartition(".")[2])
        content = read_files(self.folder).get(name)
        if content is None or content_type is None:
            raise HTTPError(404)
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", f"public, max-age={MAX_AGE}")
        self.write(content)


@functools.cache
def read_files(folder: Path) -> Mapping[str, bytes]:
    """The files of a folder by name: read once, a few kilobytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
