"""Records to fill a store with, a clock to set, and files that fail, stop or are watched on demand."""

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omnitornado.store.files import Files
from omnitornado.store.records import (
    AccessToken,
    AuthorizationCode,
    BrowserSession,
    Client,
    ClientDocument,
    Consent,
    DeviceCode,
    Grant,
    KnownAddress,
    McpSession,
    PushedRequest,
    RedirectBinding,
    Task,
)
from omnitornado.store.transitions import RefreshSuccessor

START = 1_800_000_000.0
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
"""A key's thumbprint, in all that may be bound to one: no engine may lose it."""


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def build_client(client_id: str = "client-1", **changed: Any) -> Client:
    members: dict[str, Any] = {
        "client_id": client_id,
        "secret_hash": digest(client_id + " secret"),
        "client_name": "A client",
        "redirect_uris": ("http://127.0.0.1/callback",),
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ("authorization_code", "refresh_token"),
        "issued_at": START,
        "expires_at": None,
        "metadata": {"client_uri": "https://client.example", "contacts": ["a@client.example"]},
    }
    return Client(**members | changed)


def build_code(**changed: Any) -> AuthorizationCode:
    members: dict[str, Any] = {
        "client_id": "client-1",
        "username": "ada",
        "redirect_uri": "http://127.0.0.1/callback",
        "redirect_uri_given": True,
        "scope": ("mcp",),
        "resources": ("/mcp",),
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "expires_at": START + 60,
        "dpop_jkt": JKT,
    }
    return AuthorizationCode(**members | changed)


def build_pushed(**changed: Any) -> PushedRequest:
    members: dict[str, Any] = {
        "client_id": "client-1",
        "query": "client_id=client-1&response_type=code",
        "pushed_at": START,
        "expires_at": START + 600,
    }
    return PushedRequest(**members | changed)


def build_device(name: str = "device", **changed: Any) -> DeviceCode:
    members: dict[str, Any] = {
        "client_id": "client-1",
        "client_name": "A client",
        "device_hash": digest(name),
        "scope": ("mcp", "files"),
        "resources": ("/mcp",),
        "issued_at": START,
        "code_expires_at": START + 600,
        "expires_at": START + 1200,
        "interval": 5.0,
        "address": "192.0.2.1",
    }
    return DeviceCode(**members | changed)


def build_grant(name: str = "grant-1", **changed: Any) -> Grant:
    members: dict[str, Any] = {
        "grant_id": digest(name)[:16],
        "client_id": "client-1",
        "client_name": "A client",
        "username": "ada",
        "redirect_uri": "http://127.0.0.1/callback",
        "scope": ("mcp",),
        "resources": ("/mcp",),
        "created_at": START,
        "last_used_at": START,
        "expires_at": START + 86_400,
        "refresh_hash": digest(name + " refresh 0"),
        "public_id": name,
        "jkt": JKT,
    }
    return Grant(**members | changed)


def build_access(grant: Grant, **changed: Any) -> AccessToken:
    members: dict[str, Any] = {"grant_id": grant.grant_id, "expires_at": START + 3600, "jkt": JKT}
    return AccessToken(**members | changed)


def build_successor(name: str, *, expires_at: float = START + 90_000) -> RefreshSuccessor:
    return RefreshSuccessor(
        refresh_hash=digest(name),
        sealed_refresh=b"sealed refresh of " + name.encode(),
        sealed_access=b"sealed access of " + name.encode(),
        expires_at=expires_at,
    )


def build_consent(**changed: Any) -> Consent:
    members: dict[str, Any] = {
        "username": "ada",
        "client_id": "client-1",
        "redirect_uri": "https://client.example/callback",
        "scope": ("mcp",),
        "granted_at": START,
        "resource": "/mcp",
    }
    return Consent(**members | changed)


def build_binding(**changed: Any) -> RedirectBinding:
    members: dict[str, Any] = {
        "client_id": "client-1",
        "redirect_uri": "https://client.example/callback",
        "username": "ada",
        "bound_at": START,
    }
    return RedirectBinding(**members | changed)


def build_session(**changed: Any) -> BrowserSession:
    members: dict[str, Any] = {"username": "ada", "signed_in_at": START, "expires_at": START + 3600}
    return BrowserSession(**members | changed)


def build_mcp_session(**changed: Any) -> McpSession:
    members: dict[str, Any] = {
        "username": "ada",
        "client_id": "client-1",
        "path": "/mcp",
        "protocol_version": "2025-11-25",
        "client_info": {"name": "inspector", "version": "1"},
        "capabilities": {"roots": {"listChanged": True}},
        "created_at": START,
        "expires_at": START + 3600,
    }
    return McpSession(**members | changed)


def build_task(**changed: Any) -> Task:
    members: dict[str, Any] = {
        "username": "ada",
        "client_id": "client-1",
        "path": "/mcp",
        "tool": "report",
        "scopes": ("reports",),
        "status": "working",
        "created_at": START,
        "updated_at": START,
        "expires_at": START + 3600,
        "poll_interval": 1.0,
    }
    return Task(**members | changed)


def build_address(**changed: Any) -> KnownAddress:
    members: dict[str, Any] = {"username": "ada", "expires_at": START + 86_400}
    return KnownAddress(**members | changed)


def build_document(**changed: Any) -> ClientDocument:
    members: dict[str, Any] = {
        "document": {"client_id": "https://client.example/client.json", "redirect_uris": ["https://a/"]},
        "fetched_at": START,
        "fresh_until": START + 300,
        "expires_at": START + 86_400,
    }
    return ClientDocument(**members | changed)


class QuickFiles(Files):
    """Doesn't wait for the disk."""

    def fsync(self, fd: int) -> None:
        pass


class WatchedFiles(QuickFiles):
    """Calls `before` ahead of every change to a file, as if that was the moment the process is killed. Who
    holds `turn` sees no change half made."""

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None
        self.turn = threading.RLock()

    def create(self, path: Path) -> int:
        with self.turn:
            self.before()
            return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        with self.turn:
            self.before()
            super().write(fd, data)

    def replace(self, source: Path, target: Path) -> None:
        with self.turn:
            self.before()
            super().replace(source, target)
            self.before()

    def remove(self, path: Path) -> None:
        with self.turn:
            self.before()
            super().remove(path)


class FaultyFiles(WatchedFiles):
    """Fails the operations named in `failing`, and holds every fsync while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.error = errno.ENOSPC
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.fsyncs = 0

    def _check(self, operation: str) -> None:
        if operation in self.failing:
            raise OSError(self.error, os.strerror(self.error))

    def create(self, path: Path) -> int:
        self._check("create")
        return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        if "write" in self.failing:
            super().write(fd, data[: len(data) // 2])
        self._check("write")
        super().write(fd, data)

    def fsync(self, fd: int) -> None:
        self.fsyncs += 1
        self.entered.set()
        self.gate.wait()
        self._check("fsync")

    def replace(self, source: Path, target: Path) -> None:
        self._check("replace")
        super().replace(source, target)


def copy_files(path: Path, to: Path, files: WatchedFiles | None = None) -> Path:
    """The store at `path` as a process killed right now would leave it; gives the copy's path. `files`: those
    of a store that may be changing them at this moment.
    """
    with files.turn if files is not None else contextlib.nullcontext():
        shutil.copytree(path.parent, to)
    return to / path.name
