"""Plays what a known client does, as a file under tests/clients says it, against a server.

A file has steps, in the client's own order. A step is a request (`send`), or an authorization request that a
person approves (`authorize`); what the client needs of the answer stands beside it. `{name}` in a text is a
value that an earlier step kept. Where a client has several ways to be known, a step may belong to one.
"""

import base64
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tornado.httpclient import HTTPResponse

from .browser import find_forms
from .site import CHALLENGE, VERIFIER, Site, read_query

FOLDER = Path(__file__).resolve().parents[1] / "clients"
STAGES = ("discovery", "identity", "authorization", "token", "mcp", "refresh", "end")
STEP = {"stage", "ways", "send", "headers", "json", "form", "basic", "authorize", "wait"}
NEEDS = {"status", "has", "lacks", "among", "challenge", "answer_headers", "keep"}
PLACE = re.compile(r"\{([a-z_]+)\}")


def load_sequences() -> dict[str, dict[str, Any]]:
    """Each known client's file, by its name."""
    paths = (path for path in sorted(FOLDER.glob("*.toml")) if path.name != "requirements.toml")
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


def list_steps(sequence: Mapping[str, Any], way: str) -> list[dict[str, Any]]:
    return [step for step in sequence["step"] if way in step.get("ways", sequence["ways"])]


class Replay:
    """One client at one server."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.person = site.open_browser()
        self.values: dict[str, Any] = {
            "url": site.url,
            "state": "st/ate+=&~é",
            "challenge": CHALLENGE,
            "verifier": VERIFIER,
        }

    def fill(self, value: Any) -> Any:
        """The value with what was kept in the places of the names."""
        if isinstance(value, str):
            return PLACE.sub(lambda found: str(self.values[found[1]]), value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {name: self.fill(item) for name, item in value.items()}
        return value

    async def play(self, sequence: Mapping[str, Any], way: str) -> None:
        self.values |= self.fill(sequence.get("values", {}))
        for number, step in enumerate(list_steps(sequence, way), 1):
            where = f"{sequence['client']} ({way}), step {number} of {step['stage']}"
            self.site.clock.advance(step.get("wait", 0))
            if "authorize" in step:
                self._keep(step, await self._authorize(self.fill(step["authorize"]), where), {})
            elif "send" in step:
                await self._send(step, self.fill(sequence.get("headers", {})), where)

    async def _send(self, step: Mapping[str, Any], always: dict[str, str], where: str) -> None:
        method, path = self.fill(step["send"]).split(" ")
        headers = always | self.fill(step.get("headers", {}))
        body: str | None = None
        if "json" in step:
            body, headers = (
                json.dumps(self.fill(step["json"])),
                {"Content-Type": "application/json"} | headers,
            )
        elif "form" in step:
            body = urlencode(self.fill(step["form"]))
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        if "basic" in step:
            pair = ":".join(quote(part, safe="") for part in self.fill(step["basic"]))
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        answer = await self.site.fetch(path, method=method, headers=headers, body=body)
        where = f"{where}: {method} {path} was answered {answer.code} {dict(answer.headers)} {answer.body!r}"
        assert answer.code == step["status"], where
        document = read_document(answer)
        self._check(step, answer, document, where)
        self._keep(step, document, answer.headers)

    def _check(self, step: Mapping[str, Any], answer: HTTPResponse, document: Any, where: str) -> None:
        for name, value in self.fill(step.get("has", {})).items():
            assert find_member(document, name) == value, f"{name} in {where}"
        for name, values in self.fill(step.get("among", {})).items():
            assert set(values) <= set(find_member(document, name)), f"{name} in {where}"
        for name in step.get("lacks", []):
            assert name not in document, f"{name} in {where}"
        for name, pattern in self.fill(step.get("answer_headers", {})).items():
            assert re.search(pattern, answer.headers.get(name, "")), f"{name} in {where}"
        if "challenge" in step:
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge.startswith("Bearer "), where
            found = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
            assert self.fill(step["challenge"]).items() <= found.items(), where

    def _keep(self, step: Mapping[str, Any], document: Any, headers: Mapping[str, str]) -> None:
        for name, source in step.get("keep", {}).items():
            kind, _, rest = source.partition(":")
            self.values[name] = headers[rest] if kind == "header" else find_member(document, source)

    async def _authorize(self, parameters: dict[str, str], where: str) -> dict[str, str]:
        """A stranger's browser is led to the login and not refused; the person approves; the browser may go
        on to the client, with `state` as it came and the issuer of the metadata.
        """
        url = urlsplit(self.values["authorization_endpoint"]).path + "?" + urlencode(parameters)
        opened = await self.site.open_browser().get(url)
        assert opened.code in (200, 302, 303), f"{where}: {opened.code} {opened.body!r}"
        page = await self.person.open_consent(url)
        assert page.code == 200, f"{where}: {page.code} {page.body!r}"
        assert "form-action" not in page.headers["Content-Security-Policy"], where
        answer = await self.person.submit(find_forms(page)[0], action="approve")
        assert answer.code == 303, f"{where}: {answer.code} {answer.body!r}"
        location = answer.headers["Location"]
        assert location.startswith(parameters["redirect_uri"] + "?"), f"{where}: {location}"
        found = read_query(location)
        assert found["state"] == parameters["state"], where
        assert found["iss"] == self.values["issuer"], where
        return found


def read_document(answer: HTTPResponse) -> Any:
    """The JSON of an answer, which may be the last event of a stream; an empty object where there is none."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind == "application/json" and answer.body:
        return json.loads(answer.body)
    if kind == "text/event-stream":
        data = re.findall(r"^data: ?(.+?)\r?$", answer.body.decode(), re.MULTILINE)
        return json.loads(data[-1])
    return {}


def find_member(document: Any, name: str) -> Any:
    """The member at a path of names and numbers with points between them."""
    for part in name.split("."):
        document = document[int(part) if isinstance(document, list) else part]
    return document
