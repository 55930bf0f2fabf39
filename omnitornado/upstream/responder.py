"""Implements: MCP 2026-07-28 and 2025-11-25, for clients of either, in front of a server that knows the
handshake: what answers the methods of an endpoint whose server is behind us (`mcp.responder.Responder`).

Sessions, streams and the checks of a request are the endpoint's. Here a method is passed on as it is, but for
what one revision has and the other lacks; unknown methods and members pass through.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias

import msgspec

from omnitornado.mcp.call import Call, CallCancelledError, CallTimedOutError, ServerStoppingError
from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.exchange import Exchange, Round
from omnitornado.mcp.inbound import Envelope
from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Json,
    JsonRpcError,
    Request,
)
from omnitornado.mcp.log_levels import LOG_LEVELS
from omnitornado.mcp.needed_scopes import NOTHING
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.responder import Answer, Introduction, Listening
from omnitornado.mcp.rounds import InputRequiredError
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.streams import LIST_KINDS, Hub
from omnitornado.mcp.subscriptions import check_subscriptions
from omnitornado.mcp.versions import STATELESS_VERSIONS
from omnitornado.mcp.witness import WITNESS
from omnitornado.upstream.asking import build_answer, build_requests
from omnitornado.upstream.child import Command
from omnitornado.upstream.errors import UpstreamError
from omnitornado.upstream.flight import Flight
from omnitornado.upstream.news import News
from omnitornado.upstream.parked import Parked
from omnitornado.upstream.peer import Peer, Terms
from omnitornado.upstream.pool import Owner, Pool, PoolLimits
from omnitornado.upstream.rounds import ask_all_in_session, build_input_required, find_extra, is_question

Sharing: TypeAlias = Literal["person", "session", "shared"]
BuildCommand: TypeAlias = Callable[[Principal | None, bool], Command]
"""From the person whose child it is, and whether it is one client's alone."""

PARKED = "upstream"
"""Where the state of a call says which request it belongs to."""
MAX_TOOL_NAME = 128

NOT_IN_SESSION = frozenset({"initialize", "server/discover", "subscriptions/listen"})
NOT_STATELESS = frozenset(
    {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
)
"""Methods of the other era: no server behind us is asked them in a client's name."""


class UpstreamResponder:
    """Answers with what a server behind us answers."""

    def __init__(
        self,
        terms: Terms,
        limits: PoolLimits,
        *,
        sharing: Sharing,
        build_command: BuildCommand,
        timeout: float | None,
        answer_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            terms: how the server is met.
            limits: of its children.
            sharing: whose a child is.
            build_command: what to run.
            timeout: seconds a request may take, questions left out; None for no limit.
            answer_timeout: seconds that a client may take to come back with an answer.
            clock: seconds, of any beginning.
        """
        self._terms = terms
        self._sharing = sharing
        self._build_command = build_command
        self._countdown = None if timeout is None else Countdown(timeout)
        self._parked = Parked(patience=answer_timeout, give_up=self._give_up)
        self._hub = Hub()
        self.pool = Pool(
            terms,
            limits,
            build_news=lambda owner: News(self._hub, owner),
            is_heard=lambda owner: self._hub.is_heard(owner),
            clock=clock,
        )
        self.pool.on_open = self._take_up
        self._listeners: dict[Owner, dict[str, int]] = {}
        """By owner: how many streams of the stateless era listen to a resource."""
        self._calls: set[Call] = set()
        self._introduced: Peer | None = None

    # Responder

    def attach(self, hub: Hub) -> None:
        self._hub = hub

    def find_in_session(self, method: str) -> Answer | None:
        own: Mapping[str, Answer] = {
            "ping": self._ping,
            "logging/setLevel": self._set_log_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }
        return None if method in NOT_IN_SESSION else own.get(method, self._forward)

    def find_stateless(self, method: str) -> Answer | None:
        return None if method in NOT_STATELESS else self._forward

    def find_needed_scopes(self, request: Request) -> frozenset[str]:
        return NOTHING

    def takes_task(self, request: Request) -> bool:
        return False

    async def introduce(
        self, principal: Principal, version: str, session: LiveSession | None
    ) -> Introduction:
        peer = await self._find_peer(principal, session)
        self._introduced = peer
        return Introduction(
            adapt_capabilities(peer.capabilities, version), peer.server_info, peer.instructions
        )

    def describe(self, principal: Principal, version: str) -> Json:
        peer = self.pool.peek(self._find_owner(principal, None)) or self._introduced
        return {"name": self._terms.name, "version": "0"} if peer is None else peer.server_info

    def find_lists(self, principal: Principal, version: str) -> frozenset[str]:
        peer = self._introduced
        return LIST_KINDS if peer is None else LIST_KINDS & peer.capabilities.keys()

    async def prepare_listening(
        self, listening: Listening, request: Request, envelope: Envelope, principal: Principal
    ) -> Listening:
        owner = self._find_owner(principal, None)
        peer = await self._find_peer(principal, None)
        wanted = self._listeners.setdefault(owner, {})
        known: dict[str, None] = {}
        for uri in listening.uris:
            if await self._watch(peer, uri):
                known[uri] = None
                wanted[uri] = wanted.get(uri, 0) + 1

        def end() -> None:
            self._stop_listening(owner, known)

        lists = {name: kind for name, kind in listening.filters.items() if kind in peer.capabilities}
        return Listening(lists, known, on_end=end)

    def find_audience(self, principal: Principal, session: bytes | None) -> Hashable:
        return self._find_owner(principal, session)

    def forget(self, session: LiveSession) -> None:
        if self._sharing == "session":
            self.pool.end(Owner(session.username, session.key), reason="session_ended")

    def end_streams(self) -> None:
        self._parked.close()

    async def close(self) -> None:
        for call in list(self._calls):
            call.stop(ServerStoppingError())
        self._parked.close()
        await self.pool.close()

    # Whose child it is

    def _find_owner(self, principal: Principal, session: bytes | None) -> Owner:
        if self._sharing == "shared":
            return Owner()
        if self._sharing == "person":
            return Owner(principal.username)
        # The stateless era has no sessions: what comes closest is a person's client.
        return Owner(principal.username, principal.client_id if session is None else session)

    async def _find_peer(self, principal: Principal, session: LiveSession | None) -> Peer:
        """Raises: JsonRpcError."""
        owner = self._find_owner(principal, None if session is None else session.key)

        def build() -> Command:
            person = None if self._sharing == "shared" else principal
            return self._build_command(person, self._sharing == "session")

        try:
            peer = await self.pool.find(owner, build)
        except UpstreamError as error:
            raise error.build_error() from None
        if session is not None and peer.news.join(session, (principal.username, principal.client_id)):
            peer.dialect.subscribe_again(session.subscriptions)
            peer.dialect.settle_log_level(session.log_level)
        return peer

    # Passing on

    async def _forward(self, exchange: Exchange) -> Json:
        """Raises: JsonRpcError, CallCancelledError, InputRequiredError."""
        call = Call(exchange.send, exchange.host)
        self._calls.add(call)
        try:
            with _tracked(exchange, call):
                flight = await self._take_off(exchange, call)
                call.start_clock(self._countdown)
                result = await self._follow(flight)
                while is_question(result):
                    if exchange.owner is None:
                        raise build_input_required(exchange, result)
                    flight = await self._ask_and_go_on(flight, result)
                    result = await self._follow(flight)
        except JsonRpcError:
            _witness(exchange, "upstream_error")
            raise
        finally:
            call.end()
            self._calls.discard(call)
        _witness(exchange, "tool_error" if result.get("isError") is True else None)
        return _complete(exchange, result)

    async def _take_off(self, exchange: Exchange, call: Call) -> Flight:
        """Raises: JsonRpcError."""
        turn = exchange.round
        if turn is not None and turn.state is not None and PARKED in turn.state.once:
            return self._resume(turn, exchange, call)
        peer = await self._find_peer(exchange.principal, exchange.owner)
        if exchange.owner is None and exchange.log_level is not None:
            peer.dialect.settle_log_level(exchange.log_level)
        own = {"inputResponses", "requestState"} if exchange.round is not None else set()
        params = {name: value for name, value in exchange.params.items() if name not in own}
        params |= find_extra(exchange)
        try:
            return await peer.take_off(exchange, call, params)
        except UpstreamError as error:
            raise error.build_error() from None

    async def _follow(self, flight: Flight) -> Json:
        reason: str | None = "The client has left"
        try:
            await flight.follow()
            if not flight.is_done:
                await asyncio.sleep(0)  # what is asked at the same time goes into the same round
                raise self._park(flight)
            reason = None
        except CallTimedOutError as error:
            reason = f"It took more than {error.limit:g} seconds"
            late = UpstreamError(self._terms.name, f"did not answer within {error.limit:g} seconds")
            raise late.build_error() from None
        except CallCancelledError:
            reason = "The client has taken it back"
            raise
        except ServerStoppingError:
            reason = message = "The server is stopping"
            raise JsonRpcError(code=INTERNAL_ERROR, message=message, status=503) from None
        finally:
            if not flight.is_parked:
                flight.peer.land(flight, reason)
        if flight.error is not None:
            raise flight.error
        result: Json = flight.result
        return result

    # Questions, by the end of a request

    def _park(self, flight: Flight) -> InputRequiredError:
        turn = flight.exchange.round
        assert turn is not None  # noqa: S101 - nobody else is asked by the end of a request
        state = turn.state or turn.start()
        requests = build_requests(flight.asked, flight.exchange.version)
        once = {PARKED: self._parked.keep(flight)}
        return InputRequiredError(requests, msgspec.structs.replace(state, round=state.round + 1, once=once))

    def _resume(self, turn: Round, exchange: Exchange, call: Call) -> Flight:
        """Go on with a request that had asked its client. Raises: JsonRpcError, -32602."""
        name = turn.state.once.get(PARKED) if turn.state is not None else None
        flight = self._parked.peek(name)
        if flight is None:
            message = "Invalid params: requestState: the call has gone on or ended; call again without it"
            raise JsonRpcError(code=INVALID_PARAMS, message=message, reason="request state of no open call")
        for key in flight.asked:
            if not isinstance(turn.responses.get(key, {}), dict):
                message = f"Invalid params: inputResponses.{key} must be an object"
                raise JsonRpcError(code=INVALID_PARAMS, message=message)
        self._parked.take(name)
        flight.board(exchange, call)
        for key in list(flight.asked):
            if key in turn.responses:  # what is left is asked again
                flight.peer.answer(build_answer(flight.asked.pop(key).id, turn.responses[key]))
        return flight

    async def _ask_and_go_on(self, flight: Flight, result: Json) -> Flight:
        """Ask a session's client what the server's answer asks. Raises: JsonRpcError."""
        call, exchange = flight.call, flight.exchange
        extra = await flight.run(ask_all_in_session(flight, result))
        try:
            return await flight.peer.take_off(exchange, call, {**exchange.params, **extra})
        except UpstreamError as error:
            raise error.build_error() from None

    def _give_up(self, flight: Flight) -> None:
        """A client did not come back."""
        flight.peer.land(flight, "The client did not come back")

    # Methods of sessions

    async def _ping(self, exchange: Exchange) -> Json:
        return {}

    async def _set_log_level(self, exchange: Exchange) -> Json:
        level = exchange.get_string("level")
        if level not in LOG_LEVELS:
            message = f"Invalid params: level is one of {', '.join(LOG_LEVELS)}"
            raise JsonRpcError(code=INVALID_PARAMS, message=message)
        await exchange.owner.set_log_level(level)
        peer = await self._find_peer(exchange.principal, exchange.owner)
        peer.dialect.settle_log_level(level)
        return {}

    async def _subscribe(self, exchange: Exchange) -> Json:
        uri = exchange.get_string("uri")
        session: LiveSession = exchange.owner
        check_subscriptions({*session.subscriptions, uri})
        peer = await self._find_peer(exchange.principal, session)
        try:
            await peer.dialect.subscribe(uri)
        except (UpstreamError, TimeoutError) as error:
            late = UpstreamError(self._terms.name, "did not answer resources/subscribe")
            raise (error if isinstance(error, UpstreamError) else late).build_error() from None
        await session.subscribe(uri, is_wanted=True)
        return {}

    async def _unsubscribe(self, exchange: Exchange) -> Json:
        uri = exchange.get_string("uri")
        session: LiveSession = exchange.owner
        await session.subscribe(uri, is_wanted=False)
        owner = self._find_owner(exchange.principal, session.key)
        self._unwatch(owner, uri)
        return {}

    # Resources that are listened to

    async def _watch(self, peer: Peer, uri: str) -> bool:
        """Whether the server says when the resource changes."""
        try:
            await peer.dialect.subscribe(uri)
        except (JsonRpcError, UpstreamError, TimeoutError):
            return False
        return True

    def _stop_listening(self, owner: Owner, uris: Mapping[str, None]) -> None:
        wanted = self._listeners.get(owner, {})
        for uri in uris:
            wanted[uri] = wanted.get(uri, 0) - 1
            if wanted[uri] <= 0:
                wanted.pop(uri)
                self._unwatch(owner, uri)
        if not wanted:
            self._listeners.pop(owner, None)

    def _unwatch(self, owner: Owner, uri: str) -> None:
        peer = self.pool.peek(owner)
        if peer is not None and uri not in self._listeners.get(owner, {}) and not peer.news.is_wanted(uri):
            peer.dialect.unsubscribe(uri)

    async def _take_up(self, owner: Owner, peer: Peer) -> None:
        """A new child is told what its owner listens to already."""
        peer.dialect.subscribe_again(self._listeners.get(owner, ()))


def adapt_capabilities(capabilities: Json, version: str) -> Json:
    """ServerCapabilities in the words of a client's revision."""
    if version not in STATELESS_VERSIONS:
        return capabilities
    # Tasks of 2025-11-25 are another thing than the extension that took their place.
    return {name: value for name, value in capabilities.items() if name != "tasks"}


def _complete(exchange: Exchange, result: Json) -> Json:
    """What a result of the client's revision has beside the server's own words, and has not."""
    if exchange.version not in STATELESS_VERSIONS:
        for name in ("resultType", "ttlMs", "cacheScope"):
            result.pop(name, None)
    if exchange.version in STATELESS_VERSIONS and exchange.request.method == "resources/read":
        result.setdefault("ttlMs", 0)
        result["cacheScope"] = "private"
    if not isinstance(result.get("_meta", {}), dict):
        del result["_meta"]
    return result


@contextmanager
def _tracked(exchange: Exchange, call: Call) -> Iterator[None]:
    """`notifications/cancelled` finds the call, in a session."""
    session: LiveSession | None = exchange.owner
    if session is None:
        yield
        return
    request_id = exchange.request.id
    session.calls[request_id] = call
    try:
        yield
    finally:
        if session.calls.get(request_id) is call:
            del session.calls[request_id]


def _witness(exchange: Exchange, reason: str | None) -> None:
    witness = WITNESS.get()
    name = exchange.params.get("name")
    if witness is not None and exchange.request.method == "tools/call" and isinstance(name, str):
        witness.tell(exchange.principal, name[:MAX_TOOL_NAME], reason)
