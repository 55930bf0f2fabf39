"""A browser for the tests: it keeps cookies as the server means them and sends forms as they stand."""

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPResponse


class Form:
    """A form of a page, with the fields it has already."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert values["method"] == "post"
            self.forms.append(Form(values["action"]))
        if tag == "input" and self.forms:
            self.forms[-1].fields[values["name"]] = values.get("value", "")


def find_forms(response: HTTPResponse) -> list[Form]:
    parser = _Forms()
    parser.feed(response.body.decode())
    return parser.forms


class Browser:
    """One person's browser at one server."""

    def __init__(self, client: AsyncHTTPClient, base_url: str) -> None:
        self.client = client
        self.base_url = base_url
        self.cookies: dict[str, str] = {}

    async def request(
        self, method: str, url: str, *, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> HTTPResponse:
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = await self.client.fetch(
            urljoin(self.base_url, url),
            method=method,
            body=body,
            headers=sent,
            follow_redirects=False,
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        for line in response.headers.get_list("Set-Cookie"):
            self._take(line)
        return response

    def _take(self, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        names = {attribute.partition("=")[0].lower() for attribute in attributes}
        if "expires" not in names or "max-age" in names:
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)

    async def get(self, url: str, **headers: str) -> HTTPResponse:
        return await self.request("GET", url, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def post(
        self,
        url: str,
        fields: dict[str, str] | list[tuple[str, str]],
        *,
        headers: dict[str, str] | None = None,
    ) -> HTTPResponse:
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | (headers or {})
        return await self.request("POST", url, body=urlencode(fields), headers=sent)

    async def submit(self, form: Form, **fields: str) -> HTTPResponse:
        return await self.post(form.action, form.fields | fields)

    async def follow(self, response: HTTPResponse) -> HTTPResponse:
        """Go where the answer sends the browser, as long as that is this server."""
        while response.code in (302, 303):
            url = urljoin(response.request.url, response.headers["Location"])
            if urlsplit(url).netloc != urlsplit(response.request.url).netloc:
                break
            response = await self.get(url)
        return response

    async def sign_in(
        self, username: str = "ada", password: str = "password", url: str = "/login"
    ) -> HTTPResponse:
        """Fill in the form at `url`; the answer to that."""
        page = await self.follow(await self.get(url))
        return await self.submit(find_forms(page)[0], username=username, password=password)

    async def open_consent(self, url: str, username: str = "ada") -> HTTPResponse:
        """The consent page of an authorization request, after signing in where that is asked for."""
        page = await self.follow(await self.get(url))
        if "password" in find_forms(page)[0].fields:
            page = await self.follow(
                await self.submit(find_forms(page)[0], username=username, password="password")
            )
        return page

    async def approve(self, url: str, username: str = "ada") -> str:
        """Sign in and approve; the address the browser is sent to."""
        page = await self.open_consent(url, username)
        answer = await self.submit(find_forms(page)[0], action="approve")
        assert answer.code == 303, answer.body
        return answer.headers["Location"]
