"""A small world for the protocol's tests: clients, people, resources, a store in memory, a clock."""

import asyncio
import base64
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import bcrypt
import msgspec
import pytest
from hypothesis import settings

from omnitornado.oauth.authorize import (
    AuthorizationRequest,
    AuthorizationRules,
    check_authorization_request,
)
from omnitornado.oauth.bearer import Bearer, check_bearer
from omnitornado.oauth.client import CLIENT_CREDENTIALS, DEVICE_CODE, Clients, build_preset
from omnitornado.oauth.client_metadata import parse_registration
from omnitornado.oauth.consent import ConsentRules, approve, check_grantable
from omnitornado.oauth.device import DeviceRequest, DeviceRules, build_device_key, request_device_code
from omnitornado.oauth.dpop import Proofs
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.errors import HTTP_STATUS, OAuthError, ValidatedRedirect
from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.oauth.issuance import TokenResponse, TokenRules
from omnitornado.oauth.people import People, Person, name_machine
from omnitornado.oauth.pushed_request import (
    Push,
    PushRules,
    check_push,
    keep_push,
    load_authorization_request,
)
from omnitornado.oauth.registration import RegistrationRules
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import ScopePolicy
from omnitornado.oauth.token import redeem_token_request
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import Client

START = 1_800_000_000.0
ISSUER = "https://auth.example.com"
SECRET = "web secret: 100% + more"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""
CALLBACK = "https://app.example.com/callback"
REDIRECT = ValidatedRedirect(uri=CALLBACK, state="s", issuer=ISSUER)

MCP = ProtectedResource(path="/mcp", name="tools", scope=("mcp",))
FILES = ProtectedResource(path="/files/mcp", name="files", scope=("files",))
SCOPES = ScopePolicy(descriptions={"mcp": "Use the tools", "files": "Read files"}, default=())

ADA = Person("ada", password_hash=bcrypt.hashpw(b"ada's password", bcrypt.gensalt(4)))
BOB = Person("bob", password_hash=bcrypt.hashpw(b"bob's password", bcrypt.gensalt(4)), scopes=("mcp",))

WEB = build_preset(client_id="web", client_secret=SECRET, client_name="Web app", redirect_uris=[CALLBACK])
NATIVE = build_preset(
    client_id="native",
    client_secret=None,
    redirect_uris=["http://127.0.0.1/callback", "http://localhost/callback", "http://[::1]/callback"],
)
TV = build_preset(
    client_id="tv", client_secret=None, client_name="TV", grant_types=[DEVICE_CODE, "refresh_token"]
)
BOX = build_preset(client_id="box", client_secret=SECRET, client_name="Box", grant_types=[DEVICE_CODE])
"""Devices: one public, one that proves itself and may not refresh."""
ROBOT = build_preset(
    client_id="robot",
    client_secret=SECRET,
    client_name="Robot",
    grant_types=[CLIENT_CREDENTIALS],
    scope=["mcp"],
)
"""Acts for itself."""
ROBOT_ITSELF = Person(name_machine("robot"), scopes=("mcp",))
BARE = build_preset(client_id="bare", client_secret="bare secret")
"""Preset without redirect URIs: its first approval binds one."""

FILES_URL = "https://files.example.com/mcp"
ELSEWHERE = ProtectedResource(path=FILES_URL, name="files elsewhere", scope=("files",))
"""A resource that another server guards."""

PROPERTY = settings(deadline=None, database=None, max_examples=150)
"""For property tests: the machine's speed decides nothing, and nothing is kept."""


class World:
    """Everything the protocol needs; `now` is its clock."""

    def __init__(self, store: EmbeddedStore, clock: "Clock") -> None:
        self.store = store
        self.clock = clock
        self.clients = Clients([WEB, NATIVE, BARE, TV, BOX, ROBOT], store)
        self.rules = AuthorizationRules(
            issuer=ISSUER, clients=self.clients, store=store, scopes=SCOPES, resources=[MCP, FILES]
        )
        self.pushes = PushRules(lifetime=600.0)
        self.consents = ConsentRules(store=store, code_lifetime=60.0)
        self.devices = DeviceRules(
            store=store, clients=self.clients, scopes=SCOPES, resources=[MCP, FILES], code_lifetime=600.0
        )
        self.registration = RegistrationRules(store=store)
        self.proofs = Proofs(store, token_bytes=secrets.token_bytes)
        self.tokens = TokenRules(
            store=store,
            clients=self.clients,
            people=People([ADA, BOB], machines=[ROBOT_ITSELF]),
            resources=[MCP, FILES],
            proofs=self.proofs,
            access_token_lifetime=3600.0,
            refresh_token_lifetime=86_400.0,
            scopes=SCOPES,
        )

    @property
    def now(self) -> float:
        return self.clock.now

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds

    def set_people(self, *people: Person) -> None:
        """The configuration's people from now on."""
        self.tokens = msgspec.structs.replace(self.tokens, people=People(people))

    async def register(self, **members: Any) -> tuple[Client, str | None]:
        """A dynamically registered client, public unless `members` say otherwise, and its secret."""
        body = {
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        }
        client, secret = parse_registration(body | members, now=self.now)
        await self.store.register_client(client)
        return client, secret

    async def request(self, client_id: str = "web", **changed: Any) -> AuthorizationRequest:
        """A checked authorization request."""
        return await check_authorization_request(
            build_request(client_id, **changed), self.rules, now=self.now
        )

    async def push(
        self, *, authorization: str | None = None, proof: str | None = None, **changed: Any
    ) -> Push:
        """An authorization request that its client pushed: `web`'s, unless `changed` says otherwise."""
        parameters = build_request(**{"client_secret": SECRET} | changed)
        checked = await check_push(
            parameters,
            authorization,
            self.rules,
            proofs=self.tokens.proofs,
            request=build_proof_request("/par", proof),
            now=self.now,
        )
        return await keep_push(checked.request, checked.query, self.store, self.pushes, now=self.now)

    async def open(
        self, request_uri: str, client_id: str | None = "web", **beside: Any
    ) -> AuthorizationRequest:
        """The request that a browser brings the name of."""
        parameters = parse(client_id=client_id, request_uri=request_uri, **beside)
        return await load_authorization_request(parameters, self.rules, now=self.now)

    async def issue_code(self, client_id: str = "web", *, person: Person = ADA, **changed: Any) -> str:
        """The code of a request that `person` approved."""
        request = await self.request(client_id, **changed)
        return await approve(request, person, check_grantable(request, person), self.consents, now=self.now)

    async def ask_token(
        self, *, authorization: str | None = None, proof: str | None = None, **members: Any
    ) -> TokenResponse:
        """`proof`: what stands in the `DPoP` header."""
        return await redeem_token_request(
            parse(**members),
            authorization,
            self.tokens,
            request=build_proof_request("/token", proof),
            issuer=ISSUER,
            now=self.now,
        )

    async def redeem(self, code: str, /, **changed: Any) -> TokenResponse:
        """The code's tokens, for the client `web` unless `changed` says otherwise."""
        members = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": VERIFIER,
            "client_id": "web",
            "client_secret": SECRET,
        }
        return await self.ask_token(**members | changed)

    async def connect(self, *, person: Person = ADA, **changed: Any) -> dict[str, Any]:
        """The token response of a whole flow of the client `web`."""
        return (await self.redeem(await self.issue_code(person=person, **changed))).body

    async def refresh(self, refresh_token: str, /, **changed: Any) -> dict[str, Any]:
        members = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": "web",
            "client_secret": SECRET,
        }
        return (await self.ask_token(**members | changed)).body

    async def ask_device(self, *, authorization: str | None = None, **members: Any) -> DeviceRequest:
        """A device's request: of the client `tv`, for the tools, unless `members` say otherwise."""
        given = {"client_id": "tv", "resource": ISSUER + "/mcp"} | members
        return await request_device_code(
            parse(**given), authorization, self.devices, issuer=ISSUER, address="192.0.2.1", now=self.now
        )

    async def decide(self, request: DeviceRequest, *scope: str, person: Person = ADA) -> bool:
        """The person's decision: approve these scopes, or refuse where there are none."""
        key = build_device_key(request.user_code)
        decided = await self.store.decide_device(
            key, request.device.device_hash, username=person.username, scope=scope or None, now=self.now
        )
        return decided is not None

    async def poll(self, device_code: str, /, **changed: Any) -> dict[str, Any]:
        members = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": "tv"}
        return (await self.ask_token(**members | changed)).body

    async def use(
        self, access_token: str, resource: ProtectedResource = MCP, *, proof: str | None = None
    ) -> Bearer:
        """Whom the resource takes the token for; under the scheme DPoP where a proof comes with it."""
        scheme = "Bearer" if proof is None else "DPoP"
        return await self.present(f"{scheme} {access_token}", resource, proof=proof)

    async def present(
        self, authorization: str | None, resource: ProtectedResource = MCP, *, proof: str | None = None
    ) -> Bearer:
        """Whom the resource takes the Authorization header for."""
        return await check_bearer(
            authorization,
            resource,
            self.store,
            self.tokens.people,
            proofs=self.tokens.proofs,
            request=build_proof_request(resource.path, proof),
            now=self.now,
        )


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


Scenario = Callable[[World], Awaitable[None]]


def run(scenario: Scenario) -> None:
    """Run a scenario in a new world."""

    async def run_scenario() -> None:
        clock = Clock()
        store = EmbeddedStore.open(None, clock=clock)
        await store.start()
        try:
            await scenario(World(store, clock))
        finally:
            await store.close()

    asyncio.run(run_scenario())


def parse(**members: Any) -> Parameters:
    """Parameters as they come in over the wire; None leaves one out, a list repeats it."""
    return parse_parameters(encode_form(**members))


def encode_form(**members: Any) -> str:
    given = {name: value for name, value in members.items() if value is not None}
    return urlencode(given, doseq=True)


def build_request(client_id: str | None = "web", **changed: Any) -> Parameters:
    """An authorization request of the client, with nothing wrong unless `changed` brings it in."""
    members: dict[str, Any] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "state": "opaque",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": ISSUER + "/mcp",
    }
    return parse(**members | changed)


def build_proof_request(path: str, *proofs: str | None, method: str = "POST") -> ProofRequest:
    """A request with these in its `DPoP` headers."""
    headers = [proof for proof in proofs if proof is not None]
    return ProofRequest(headers=headers, method=method, issuer=ISSUER, path=path)


def build_basic(client_id: str, secret: str) -> str:
    """An Authorization header, with both halves as they are given."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@contextmanager
def refused(code: str, reason: str, *, to_client: bool = False, status: int | None = None) -> Iterator[None]:
    """The one assertion on protocol errors: their code, the log's reason, whether they may be sent to the
    redirect URI, and the shape of what the client reads.
    """
    with pytest.raises(OAuthError) as caught:
        yield
    error = caught.value
    assert (error.code, error.reason) == (code, reason)
    assert (error.redirect is not None) is to_client
    assert error.status == (status or HTTP_STATUS[code])
    body = error.build_body()
    assert list(body) == ["error", "error_description"]
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", body["error_description"])


def build_token_bytes() -> Callable[[int], bytes]:
    """Randomness that never repeats and is the same in every run."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size, "big")
