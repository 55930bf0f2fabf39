"""Implements: MCP 2026-07-28 basic/patterns/mrtr (Server Requirements 4 and 5, Security Considerations).

What a call has come to, sealed so that it can go through the client: who asks, what for, until when, what was
asked and answered so far. Nothing is kept on the server; a key in the store opens it, also after a restart.

A state may be used twice within its time, like any request that is sent again: `Context.once` says what that
means for a tool.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from omnitornado.base64url import decode, encode
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Json, JsonRpcError, Request
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.sealing import NONCE_BYTES, open_sealed, seal

KEY_NAME = "mcp-request-state"
KEY_BYTES = 32
PURPOSE = b"request state"
MAX_SEALED = 512 * 1024
"""Characters of a sealed state. It comes back in a request's body, beside the answers of the next round."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class KeyStore(Protocol):
    """The transition this module needs of the store."""

    async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes: ...


class Answered(msgspec.Struct, frozen=True):
    """A question that has its answer. The digest tells the question: another one is asked anew."""

    digest: bytes
    answer: Any


class CallState(msgspec.Struct, frozen=True):
    """What is sealed."""

    username: str
    client_id: str
    request: bytes
    """A digest of endpoint, method and params."""
    expires_at: float
    round: int = 0
    asked: dict[str, bytes] = {}
    """Questions of the last round: key to digest."""
    answered: dict[str, Answered] = {}
    once: dict[str, Any] = {}
    """What `Context.once` gave."""


class RequestStates:
    """Seals and opens the states of one endpoint."""

    def __init__(
        self,
        store: KeyStore,
        *,
        path: str,
        lifetime: float,
        clock: Callable[[], float],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._path = path
        self._lifetime = lifetime
        self._clock = clock
        self._token_bytes = token_bytes
        self._key: bytes | None = None

    def start(self, request: Request, principal: Principal) -> CallState:
        """The state of a call that comes without one."""
        return CallState(
            username=principal.username,
            client_id=principal.client_id,
            request=self._build_digest(request),
            expires_at=0.0,
        )

    async def seal(self, state: CallState) -> str:
        """A state as the client carries it, good for this module's lifetime.

        Raises:
            JsonRpcError: -32603, it is too large to be carried.
        """
        state = msgspec.structs.replace(state, expires_at=self._clock() + self._lifetime)
        nonce = self._token_bytes(NONCE_BYTES)
        text = encode(seal(await self._find_key(), msgspec.json.encode(state), nonce, purpose=PURPOSE))
        if len(text) > MAX_SEALED:
            message = "The answers to this call are too large to be carried on"
            raise JsonRpcError(code=INTERNAL_ERROR, message=message, status=200)
        return text

    async def open(self, text: object, request: Request, principal: Principal) -> CallState:
        """The state that a client brings back.

        Raises:
            JsonRpcError: -32602; it was changed, is past its time, or another person's, client's or call's.
        """
        if not isinstance(text, str) or len(text) > MAX_SEALED or _BASE64URL.fullmatch(text) is None:
            raise _build_refusal("not of the form of a request state")
        opened = open_sealed(await self._find_key(), decode(text) or b"", purpose=PURPOSE)
        if opened is None:
            raise _build_refusal("not sealed by this server")
        try:
            state = msgspec.json.decode(opened, type=CallState)
        except msgspec.DecodeError:
            raise _build_refusal("sealed by another version of the server") from None
        if (state.username, state.client_id) != (principal.username, principal.client_id):
            raise _build_refusal("another person's or client's")
        if state.request != self._build_digest(request):
            raise _build_refusal("another call's")
        if self._clock() >= state.expires_at:
            raise _build_refusal("past its time", "it has expired; call again without it")
        return state

    def _build_digest(self, request: Request) -> bytes:
        own = {"_meta", "inputResponses", "requestState"}
        params = {name: value for name, value in request.params.items() if name not in own}
        return build_digest([self._path, request.method, params])

    async def _find_key(self) -> bytes:
        if self._key is None:
            fresh = self._token_bytes(KEY_BYTES)
            self._key = await self._store.find_or_create_key(KEY_NAME, fresh, now=self._clock())
        return self._key


def build_digest(value: Any) -> bytes:
    """A digest of a JSON value; the order of an object's members makes no difference."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).digest()


def _build_refusal(reason: str, words: str = "it is not this call's") -> JsonRpcError:
    message = f"Invalid params: requestState: {words}"
    return JsonRpcError(code=INVALID_PARAMS, message=message, reason=f"request state {reason}")


def find_responses(request: Request) -> Json:
    """`inputResponses` of a request: an answer for each key.

    Raises:
        JsonRpcError: -32602.
    """
    responses = request.params.get("inputResponses", {})
    if not isinstance(responses, dict):
        message = "Invalid params: inputResponses must be an object"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    return responses
