"""Each attack is on a server like those of tests/web, with the same log that must stay quiet."""

import pytest
from tornado.ioloop import IOLoop
from web.conftest import QuietLog, StartSite, browser, clock, quiet_log, site, start_site
from web.site import Site


@pytest.fixture(params=["off", "auto"], ids=["tornado", "speed"])
def each_site(request: pytest.FixtureRequest, io_loop: IOLoop, start_site: StartSite) -> Site:
    """The server on either HTTP connection: what they make of a request's bytes must be the same."""
    settings = {"server": {"speed": request.param, "shutdown_grace": "0s"}}
    site: Site = io_loop.run_sync(lambda: start_site(settings=settings))
    return site


__all__ = ["QuietLog", "StartSite", "browser", "clock", "each_site", "quiet_log", "site", "start_site"]
