"""`/healthz`: whether the server serves."""

import pytest

from .site import Site
from .wire import build_request, exchange


@pytest.mark.gen_test
async def test_a_server_that_serves_says_ok_without_a_token(site: Site) -> None:
    """Our choice (HTTP)."""
    response = await site.fetch("/healthz")
    assert (response.code, response.body) == (200, b"ok")
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.gen_test
async def test_a_balancer_may_ask_by_any_name(site: Site) -> None:
    """Our choice: nothing is told here that a rebound name could misuse."""
    answer = await exchange(site.port, build_request("GET /healthz", site.port, headers={"Host": "10.0.0.7"}))
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.gen_test
async def test_a_server_that_stops_says_so(site: Site) -> None:
    """Our choice (HTTP): 503 while stopping."""
    site.services.in_flight.is_stopping = True
    response = await site.fetch("/healthz")
    assert (response.code, response.body) == (503, b"stopping")
    assert (await site.fetch("/healthz", method="HEAD")).code == 503
