"""A device that asks for its codes, and a person who types one in."""

from typing import Any

from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import Site, read_json

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TV = {
    "client_id": "tv",
    "client_name": "Living room TV",
    "token_endpoint_auth_method": "none",
    "grant_types": [DEVICE_CODE, "refresh_token"],
}


async def start(start_site: StartSite, **settings: Any) -> Site:
    return await start_site(clients=[TV], settings=settings)


async def ask(site: Site, **fields: str) -> dict[str, Any]:
    response = await site.open_browser().post("/device_authorization", {"client_id": "tv"} | fields)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store"), response.body
    return read_json(response)


async def poll(site: Site, device_code: str, **fields: str) -> HTTPResponse:
    sent = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": "tv"}
    return await site.open_browser().post("/token", sent | fields)


async def open_entry(browser: Browser, url: str = "/device", username: str = "ada") -> HTTPResponse:
    """The page for the code, after signing in where that is asked for."""
    page = await browser.follow(await browser.get(url))
    if "password" in find_forms(page)[0].fields:
        filled = await browser.submit(find_forms(page)[0], username=username, password="password")
        page = await browser.follow(filled)
    assert "user_code" in find_forms(page)[0].fields
    return page


async def enter(browser: Browser, user_code: str, username: str = "ada") -> HTTPResponse:
    page = await open_entry(browser, username=username)
    return await browser.submit(find_forms(page)[0], user_code=user_code)


async def decide(browser: Browser, user_code: str, action: str = "approve") -> HTTPResponse:
    page = await enter(browser, user_code)
    assert page.code == 200, page.body
    return await browser.submit(find_forms(page)[0], action=action)
