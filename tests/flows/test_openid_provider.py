"""Signing in through a certified OpenID provider, from a client's first request to a tool call."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from .chromium import Chromium
from .conftest import Serve
from .ledger import Ledger
from .loopback import Callback, find_free_port
from .openid_provider import (
    CLIENT_SECRET,
    ProviderPerson,
    build_table,
    open_provider,
)
from .process import ServerProcess
from .raw import RawClient
from .sdk import Application
from .test_sdk_client import call

CALLBACK = "/login/oidc/callback"


class Begin(Protocol):
    def __call__(
        self, *, provider: dict[str, Any] | None = None, **keys: Any
    ) -> tuple[ServerProcess, str]: ...


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def begin(serve: Serve, ledger: Ledger, stack: ExitStack) -> Begin:
    """Starts a provider, and a server that signs people in through it; gives both."""

    def start(*, provider: dict[str, Any] | None = None, **keys: Any) -> tuple[ServerProcess, str]:
        port = find_free_port()
        issuer = stack.enter_context(open_provider(f"http://127.0.0.1:{port}{CALLBACK}", **(provider or {})))
        ledger.note(CLIENT_SECRET)
        return serve(port=port, login={"oidc": build_table(issuer, **keys)}), issuer

    return start


def test_a_client_gets_from_the_address_to_a_tool_call_through_the_provider(
    begin: Begin, ledger: Ledger
) -> None:
    """Required by OpenID Connect Core §3.1: the official Python SDK's client, and what it is told of who
    calls.
    """
    server, issuer = begin()

    async def journey(application: Application) -> None:
        async with application.connect("auto") as client:
            assert await call(client, "add", a=2, b=3) == 5
            caller = await call(client, "whoami")
            assert caller["username"] == issuer.removeprefix("http://") + ":ada"

    with ProviderPerson(server.issuer, issuer, ledger) as person:
        asyncio.run(journey(Application(server.mcp_url, person, ledger)))
        assert (person.sign_ins, person.approvals) == (1, 1)
        assert person.visits == 2  # its own sign-in and consent
        page = person.open(server.issuer + "/account")
        assert "Signed in as ada@example.com" in page.text
    server.wait_for_log("login.succeeded")
    assert server.count_log("login.succeeded") == 1


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    """Without JavaScript: none of it is needed."""
    chromium = Chromium(tmp_path / "profile", has_script=False)
    yield chromium
    chromium.close()


def test_a_person_gets_there_and_back_in_a_real_browser(
    begin: Begin, ledger: Ledger, chromium: Chromium
) -> None:
    """Our choice: in Chromium, with its cookies and its policies, and without JavaScript."""
    server, issuer = begin()
    with Callback() as callback, RawClient(server.issuer, ledger, callback=callback.url) as client:
        assert client.register().status_code == 201
        chromium.open(client.build_authorization_url())
        chromium.press("form[action^='/login/oidc'] button")
        assert chromium.url.startswith(issuer)
        chromium.find("input[name=login]").send_keys("ada")
        chromium.find("input[name=password]").send_keys("any")
        chromium.press("button[type=submit]")
        chromium.press("button[type=submit]")
        chromium.wait_until(lambda: chromium.has("button[value=approve]"))
        assert chromium.url.startswith(server.issuer + "/authorize?")
        assert "ada@example.com" in chromium.text
        # The provider's pages want a font from elsewhere; ours want nothing.
        assert [line for line in chromium.read_console() if server.issuer in line] == []
        chromium.press("button[value=approve]")
        assert client.redeem(callback.wait()["code"]).status_code == 200
        assert client.call_tool("add", {"a": 2, "b": 3}).json()["result"]["structuredContent"] == 5


def test_a_no_at_the_provider_leads_back_to_the_sign_in_page(begin: Begin, ledger: Ledger) -> None:
    """Required by OpenID Connect Core §3.1.2.6: and from there to the app after all."""
    server, issuer = begin()
    with (
        ProviderPerson(server.issuer, issuer, ledger) as person,
        RawClient(server.issuer, ledger, client_id="unbound") as raw,
    ):
        url = raw.build_authorization_url()
        page = person.press_provider(person.open(url))
        assert page.url.startswith(issuer + "/interaction/")
        page = person.open(page.url + "/abort")
        assert (page.status, "did not sign you in" in page.text) == (403, True)
        server.wait_for_log("reason=oidc_denied")
        assert server.count_log("reason=oidc_denied") == 1
        assert person.go_through(page).has_button("approve")


def test_only_those_are_let_in_whom_a_rule_names(begin: Begin, ledger: Ledger) -> None:
    """Our choice: by a claim that the provider tells at UserInfo."""
    server, issuer = begin(
        allowed_domains=[],
        allowed_claims=["groups=staff"],
        request_scopes=["openid", "groups"],
        username_claim="sub",
    )
    for account, status in (("ada", 200), ("eve", 403)):
        with ProviderPerson(server.issuer, issuer, ledger, account=account) as person:
            page = person.arrive(server.issuer + "/login")
            assert page.status == status, page.text
    server.wait_for_log("reason=oidc_not_allowed")
    assert server.count_log("reason=oidc_not_allowed") == 1


def test_an_address_that_is_not_verified_lets_nobody_in(begin: Begin, ledger: Ledger) -> None:
    """Required by OpenID Connect Core §5.7."""
    server, issuer = begin()
    with ProviderPerson(server.issuer, issuer, ledger, account="unverified-ada") as person:
        assert person.arrive(server.issuer + "/login").status == 403


def test_a_secret_that_is_sent_by_post_is_taken_as_well(begin: Begin, ledger: Ledger) -> None:
    """Required by OpenID Connect Core §9: by a provider that has this client registered so."""
    method = "client_secret_post"
    client = {"token_endpoint_auth_method": method}
    server, issuer = begin(provider={"client": client}, token_endpoint_auth_method=method)
    with ProviderPerson(server.issuer, issuer, ledger) as person:
        assert person.arrive(server.issuer + "/login").url == server.issuer + "/account"


def test_who_is_signed_in_and_wants_to_be_somebody_else_is_asked_again(begin: Begin, ledger: Ledger) -> None:
    """Required by OpenID Connect Core §3.1.2.1 (prompt=login): the provider's own session is no way around
    it.
    """
    server, issuer = begin()
    with ProviderPerson(server.issuer, issuer, ledger) as person:
        assert "ada@example.com" in person.arrive(server.issuer + "/login").text
        person.account = "bob"
        assert "bob@example.com" in person.arrive(server.issuer + "/login").text


def test_a_restart_while_somebody_is_at_the_provider_does_not_matter(begin: Begin, ledger: Ledger) -> None:
    """Our choice: what waits, waits in the browser."""
    server, issuer = begin()
    with ProviderPerson(server.issuer, issuer, ledger) as person:
        page = person.press_provider(person.open(server.issuer + "/login"))
        server.restart()
        assert person.stay(page).url == server.issuer + "/account"


def test_a_provider_that_is_gone_takes_nothing_else_with_it(
    serve: Serve, ledger: Ledger, stack: ExitStack
) -> None:
    """Our choice: the server starts, passwords work, and who is signed in stays it."""
    port = find_free_port()
    with open_provider(f"http://127.0.0.1:{port}{CALLBACK}") as issuer:
        server = serve(port=port, login={"oidc": build_table(issuer)})
        person = stack.enter_context(ProviderPerson(server.issuer, issuer, ledger))
        person.arrive(server.issuer + "/login")
    server.expected.append("login.provider_failed .* reason=fetch_failed")
    server.restart()
    server.wait_for_log("login.provider_failed")
    assert "ada@example.com" in person.open(server.issuer + "/account").text
    page = person.press_provider(person.open(server.issuer + "/login"))
    assert (page.status, "can't be asked at the moment" in page.text) == (503, True)
    reference = page.text.partition("Reference: ")[2].split()[0]
    server.wait_for_log(f"request={reference}")
    page = person.use_password(page)
    assert "Signed in as ada " in page.text


def test_who_is_blocked_has_no_access_after_the_next_start(begin: Begin, ledger: Ledger) -> None:
    """Our choice: the app's tokens are void with the session."""
    server, issuer = begin()
    with (
        ProviderPerson(server.issuer, issuer, ledger) as person,
        RawClient(server.issuer, ledger) as client,
    ):
        client.connect(person)
        assert client.call_tool("add", {"a": 2, "b": 3}).status_code == 200
        server.settings["login"]["oidc"]["blocked"] = ["ada"]
        server.restart()
        assert client.call_tool("add", {"a": 2, "b": 3}).status_code == 401
        assert client.refresh().status_code == 400
        assert person.arrive(server.issuer + "/account").status == 403
