"""The page at `/`, and what else a server has: its health, and the answer for an address that is nobody's."""

from tornado.web import HTTPError, StaticFileHandler

from omnitornado.web.connect import build_guides
from omnitornado.web.pages import PageHandler


class HomeHandler(PageHandler):
    """What this server is, and how to connect each known client to it."""

    event = "home"

    async def get(self) -> None:
        url = self.services.resources[0].build_url(self.issuer) if self.services.resources else self.issuer
        self.render_page(
            "home.html",
            mcp_url=url,
            issuer=self.issuer,
            guides=build_guides(url, name=self.services.server_name),
            signed_in=await self.find_session() is not None,
        )


class NotFoundHandler(PageHandler):
    """Any other address."""

    event = "notfound"

    def prepare(self) -> None:
        raise HTTPError(404)


class StaticHandler(StaticFileHandler):
    """The stylesheet and the icons."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "public, max-age=3600")
        self.clear_header("Server")
