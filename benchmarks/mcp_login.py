"""An access token, got as a person at a browser gets it: register, sign in, approve, redeem the code."""

import base64
import hashlib
import http.client
import json
import secrets
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

REDIRECT_URI = "http://127.0.0.1:1/callback"
MAX_STEPS = 10


class Form(HTMLParser):
    """The first form of a page, and its inputs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.inputs: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values["action"]
        elif tag == "input":
            self.inputs[values.get("name", "")] = values.get("value", "")
        elif tag == "button" and values.get("value") == "approve":
            self.inputs[values["name"]] = "approve"


class Browser:
    """Cookies, redirects and forms on one connection."""

    def __init__(self, port: int) -> None:
        self._origin = f"127.0.0.1:{port}"
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: str = "", kind: str = "") -> tuple[int, str, str]:
        """Status, Location and body of one answer."""
        headers = {"Host": self._origin, "Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}
        if kind:
            headers["Content-Type"] = kind
        self._http.request(method, path, body or None, headers)
        response = self._http.getresponse()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response.status, response.getheader("Location", ""), response.read().decode("utf-8")

    def post_form(self, path: str, values: dict[str, str]) -> tuple[int, str, str]:
        return self.send("POST", path, urlencode(values), "application/x-www-form-urlencoded")

    def close(self) -> None:
        self._http.close()


def find_token(port: int, *, username: str, password: str) -> str:
    """Sign in at an omnitornado server on this machine and bring an access token for `/mcp`."""
    return find_tokens(port, username=username, password=password)["access_token"]


def find_tokens(port: int, *, username: str, password: str) -> dict[str, str]:
    """The same, with the refresh token and the client's id."""
    browser = Browser(port)
    metadata = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none", "client_name": "Load"}
    metadata |= {"grant_types": ["authorization_code", "refresh_token"]}
    _, _, registered = browser.send("POST", "/register", json.dumps(metadata), "application/json")
    client_id = json.loads(registered)["client_id"]
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "resource": f"http://127.0.0.1:{port}/mcp",
        "state": "benchmark",
    }
    code = _approve(browser, "/authorize?" + urlencode(query), username, password)
    redeem = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }
    _, _, tokens = browser.post_form("/token", redeem)
    browser.close()
    found = json.loads(tokens)
    return {name: str(found[name]) for name in ("access_token", "refresh_token")} | {"client_id": client_id}


def _approve(browser: Browser, path: str, username: str, password: str) -> str:
    status, location, page = browser.send("GET", path)
    for _ in range(MAX_STEPS):
        if location.startswith(REDIRECT_URI):
            return parse_qs(urlsplit(location).query)["code"][0]
        if status in (302, 303):
            parts = urlsplit(location)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            status, location, page = browser.send("GET", target)
            continue
        form = Form(page)
        if "password" in form.inputs:
            form.inputs |= {"username": username, "password": password}
        status, location, page = browser.post_form(form.action, form.inputs)
    raise RuntimeError(f"no code after {MAX_STEPS} steps; the last page says {status}")
