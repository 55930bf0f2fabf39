"""Implements: MCP 2026-07-28 server/discover,
basic/patterns/subscriptions, and MCP 2025-11-25 basic/lifecycle, as a client: servers behind us of two eras.

Our choice: the handshake comes first, and `server/discover` where it is refused. Nearly every server answers
`initialize` at once, some end at anything else; and tools that were written to ask in the middle of a
request, which servers of both eras still have, can do so only after a handshake.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from omnitornado.mcp.exchange import Exchange
from omnitornado.mcp.inbound import (
    CLIENT_CAPABILITIES_KEY,
    CLIENT_INFO_KEY,
    LOG_LEVEL_KEY,
    VERSION_KEY,
    Era,
)
from omnitornado.mcp.jsonrpc import (
    INVALID_PARAMS,
    Json,
    JsonRpcError,
    RequestId,
)
from omnitornado.mcp.listening import SUBSCRIPTION_KEY
from omnitornado.mcp.log_levels import LOG_LEVELS
from omnitornado.mcp.stateless_result import SERVER_INFO_KEY
from omnitornado.mcp.streams import LIST_KINDS
from omnitornado.mcp.versions import STATELESS_VERSIONS
from omnitornado.upstream.asking import build_client_capabilities
from omnitornado.upstream.identity import build_params

if TYPE_CHECKING:
    from omnitornado.upstream.peer import Peer

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""What a server behind us may answer `initialize` with."""
NEWEST = STATELESS_VERSIONS[-1]
CLIENT_INFO: Json = {"name": "omnitornado", "version": "0"}
SUBSCRIBE_TIMEOUT = 30.0
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


class Dialect(Protocol):
    """How a server of one era is spoken to, once it has introduced itself."""

    @property
    def era(self) -> Era: ...

    def build_params(self, exchange: Exchange, params: Json, progress_token: RequestId | None) -> Json:
        """A client's request as the server gets it."""

    async def subscribe(self, uri: str) -> None:
        """Hear of a resource. Raises: JsonRpcError, UpstreamError, TimeoutError."""

    def subscribe_again(self, uris: Iterable[str]) -> None:
        """The same for several, whatever comes of it."""

    def unsubscribe(self, uri: str) -> None: ...

    def settle_log_level(self, level: str) -> None:
        """See to it that the server says what somebody wants to hear; who wants less is spared the rest."""

    def take_acknowledgement(self, params: Json) -> None:
        """What the server lets be heard of."""


async def meet(peer: "Peer") -> Dialect:
    """Let a server that has just started introduce itself, in the era that it knows.

    Raises:
        UpstreamError
    """
    params: Json = {
        "protocolVersion": VERSIONS[-1],
        "capabilities": build_client_capabilities(has_roots=peer.terms.has_roots),
        "clientInfo": CLIENT_INFO,
    }
    patience = peer.terms.start_timeout
    try:
        result = await peer.request("initialize", params, patience=patience)
    except TimeoutError:
        raise peer.child.kill(f"did not answer initialize within {patience:g} seconds") from None
    except JsonRpcError as refusal:
        return await _discover(peer, refusal)
    found = result if isinstance(result, dict) else {}
    if found.get("protocolVersion") not in VERSIONS:
        raise peer.child.kill("answered initialize with a revision that is not known here")
    peer.introduce(found["protocolVersion"], found, found.get("serverInfo"))
    peer.notify("notifications/initialized", {})
    return Handshaken(peer)


async def _discover(peer: "Peer", refusal: JsonRpcError) -> Dialect:
    try:
        result = await peer.request(
            "server/discover", {"_meta": build_meta({})}, patience=peer.terms.start_timeout
        )
    except (JsonRpcError, TimeoutError):
        raise peer.child.kill(f"refused initialize: {refusal.message}") from None
    found = result if isinstance(result, dict) else {}
    supported, meta = found.get("supportedVersions"), found.get("_meta")
    if not isinstance(supported, list) or NEWEST not in supported:
        raise peer.child.kill("knows no revision that is known here")
    peer.introduce(NEWEST, found, meta.get(SERVER_INFO_KEY) if isinstance(meta, dict) else None)
    return Modern(peer)


class Handshaken:
    """A server of the handshake era."""

    era = Era.HANDSHAKE

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self._log_level: str | None = None
        """The least severe level that it was asked for."""

    def build_params(self, exchange: Exchange, params: Json, progress_token: RequestId | None) -> Json:
        return build_params(params, exchange.principal, progress_token)

    async def subscribe(self, uri: str) -> None:
        await self._peer.request("resources/subscribe", {"uri": uri}, patience=SUBSCRIBE_TIMEOUT)

    def subscribe_again(self, uris: Iterable[str]) -> None:
        for uri in uris:
            self._peer.fire("resources/subscribe", {"uri": uri})

    def unsubscribe(self, uri: str) -> None:
        self._peer.fire("resources/unsubscribe", {"uri": uri})

    def settle_log_level(self, level: str) -> None:
        if "logging" not in self._peer.capabilities:
            return
        if self._log_level is None or LOG_LEVELS.index(level) < LOG_LEVELS.index(self._log_level):
            self._log_level = level
            self._peer.fire("logging/setLevel", {"level": level})

    def take_acknowledgement(self, params: Json) -> None:
        """This era has none."""


class Modern:
    """A server of the stateless era: each request says all about itself, and one that stays open hears of
    changes.
    """

    era = Era.STATELESS

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self._uris: dict[str, None] = {}
        self._listening: int | None = None
        """The request that hears of changes."""
        self._acknowledged: asyncio.Future[Json] | None = None
        if LIST_KINDS & peer.capabilities.keys():
            self._listen()

    def build_params(self, exchange: Exchange, params: Json, progress_token: RequestId | None) -> Json:
        built = build_params(params, exchange.principal, progress_token)
        left_out = set() if self._peer.terms.has_roots else {"roots"}
        capabilities = {name: value for name, value in exchange.capabilities.items() if name not in left_out}
        meta = build_meta(capabilities)
        if exchange.log_level is not None:
            meta[LOG_LEVEL_KEY] = exchange.log_level
        built["_meta"] |= meta
        return built

    async def subscribe(self, uri: str) -> None:
        self._uris[uri] = None
        self._listen()
        acknowledged = self._acknowledged
        assert acknowledged is not None  # noqa: S101 - just made
        honoured = await asyncio.wait_for(asyncio.shield(acknowledged), SUBSCRIBE_TIMEOUT)
        if uri not in (honoured.get("resourceSubscriptions") or ()):
            self._uris.pop(uri, None)
            raise JsonRpcError(code=INVALID_PARAMS, message="The server tells of no changes of this resource")

    def subscribe_again(self, uris: Iterable[str]) -> None:
        wanted = dict.fromkeys(uris)
        if wanted.keys() - self._uris.keys():
            self._uris |= wanted
            self._listen()

    def unsubscribe(self, uri: str) -> None:
        if uri in self._uris:
            del self._uris[uri]
            self._listen()

    def settle_log_level(self, level: str) -> None:
        """Each request says its own."""

    def take_acknowledgement(self, params: Json) -> None:
        honoured, meta = params.get("notifications"), params.get("_meta")
        if not isinstance(meta, dict) or meta.get(SUBSCRIPTION_KEY) != self._listening:
            return  # of an earlier one
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_result(honoured if isinstance(honoured, dict) else {})

    def _listen(self) -> None:
        """Hear of what is wanted now, and then no more of what was wanted before."""
        before = self._listening
        wanted: Json = {
            f"{kind}ListChanged": True for kind in sorted(LIST_KINDS & self._peer.capabilities.keys())
        }
        if self._uris:
            wanted["resourceSubscriptions"] = list(self._uris)
        earlier = self._acknowledged
        self._acknowledged = asyncio.get_running_loop().create_future()
        if earlier is not None and not earlier.done():
            # Who waits for it hears what the next one says.
            self._acknowledged.add_done_callback(lambda done: _pass_on(done, earlier))
        params = {"notifications": wanted, "_meta": build_meta({})}
        self._listening = self._peer.fire("subscriptions/listen", params)
        if before is not None:
            self._peer.notify("notifications/cancelled", {"requestId": before})


def _pass_on(done: "asyncio.Future[Json]", waiting: "asyncio.Future[Json]") -> None:
    if not waiting.done() and not done.cancelled():
        waiting.set_result(done.result())


def build_meta(capabilities: Json) -> Json:
    """What a request of the stateless era says of its client."""
    return {VERSION_KEY: NEWEST, CLIENT_INFO_KEY: CLIENT_INFO, CLIENT_CAPABILITIES_KEY: capabilities}
