"""`/`, the stylesheet, and the address that is nobody's."""

import pytest

from omnitornado.web.connect import build_guides

from .browser import Browser
from .conftest import StartSite
from .site import Site
from .wire import build_request, exchange


@pytest.mark.gen_test
async def test_the_page_says_how_to_connect_each_client_with_this_servers_url(site: Site) -> None:
    """Our choice (HTTP)."""
    page = (await site.fetch("/")).body.decode()
    assert site.mcp_url in page
    for guide in build_guides(site.mcp_url):
        assert guide.name in page


@pytest.mark.gen_test
async def test_the_page_uses_the_name_it_was_asked_by_or_the_public_one(start_site: StartSite) -> None:
    """Our choice ([server] public_url)."""
    site = await start_site()
    host = {"Host": f"[::1]:{site.port}"}
    answer = await exchange(site.port, build_request("GET /", site.port, headers=host))
    assert f"http://[::1]:{site.port}/mcp".encode() in answer.body
    public = await start_site(public_url="https://mcp.example")
    assert b"https://mcp.example/mcp" in (await public.fetch("/")).body


@pytest.mark.gen_test
async def test_the_page_leads_to_the_account(site: Site, browser: Browser) -> None:
    """Our choice."""
    assert b"Sign in" in (await browser.get("/")).body
    await browser.sign_in()
    assert b"Your account" in (await browser.get("/")).body


@pytest.mark.gen_test
async def test_the_files_of_the_pages_are_there(site: Site) -> None:
    """Our choice."""
    for name, content_type in (
        ("style.css", "text/css"),
        ("logo.svg", "image/svg"),
        ("favicon.svg", "image/svg"),
    ):
        response = await site.fetch(f"/omnitornado/{name}")
        assert response.code == 200
        assert response.headers["Content-Type"].startswith(content_type)
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        assert f'/omnitornado/{name}"'.encode() in (await site.fetch("/")).body


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "style.css/",
        "style.css%00",
        "%00",
        "x" * 5000,
        "__init__.py",
        "STYLE.CSS",
        "..\\app.py",
        "style.css::$DATA",
    ],
)
async def test_no_other_name_is_a_file(site: Site, name: str) -> None:
    """Our choice, after CWE-22: the names are listed, no path is built."""
    answer = await exchange(site.port, build_request(f"GET /omnitornado/{name}", site.port))
    assert answer.status == 404
    assert b"import" not in answer.body


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "path", ["/nowhere", "//evil.example/", "/mcp/x", "/token/", "/login/", "/LOGIN", "/%6cogin"]
)
async def test_any_other_address_is_a_page_with_404(site: Site, path: str) -> None:
    """Our choice: no redirect, no guess."""
    for method in ("GET", "POST", "DELETE"):
        body = b"x=1" if method == "POST" else b""
        answer = await exchange(site.port, build_request(f"{method} {path}", site.port, body=body))
        assert answer.status == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert b"evil" not in answer.body
