"""From plain data to a `Config`: every key known, of its kind, and in agreement with the others."""

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from omnitornado.config.accounts import ClientSettings, UserSettings
from omnitornado.config.audit import AuditSettings
from omnitornado.config.checks import (
    build_client,
    build_user,
    check_assertion_grants,
    check_file_place,
    check_resources,
    check_server,
    find_duplicate,
    is_on_loopback,
)
from omnitornado.config.client_documents import ClientDocumentSettings
from omnitornado.config.device import DeviceSettings
from omnitornado.config.dpop import DpopSettings
from omnitornado.config.endpoint import McpSettings
from omnitornado.config.errors import ConfigError, KeyPath, MismatchError, Origin
from omnitornado.config.identity_providers import IdentityProviderSettings, check_provider
from omnitornado.config.keys import REQUIRED, Key, Section, Settings
from omnitornado.config.kinds import name_type
from omnitornado.config.limits import LimitSettings
from omnitornado.config.oidc import (
    OidcSettings,
    check_let_in,
    check_oidc,
    check_user_names,
    is_at_provider,
)
from omnitornado.config.outbound import OutboundSettings
from omnitornado.config.pushed_requests import PushedRequestSettings, check_pushed_requests
from omnitornado.config.registration import RegistrationSettings
from omnitornado.config.resource_servers import ResourceServerSettings
from omnitornado.config.scopes import ScopeSettings
from omnitornado.config.sections import SECTIONS, Config, Overrides
from omnitornado.config.settings import (
    LoginSettings,
    ServerSettings,
)
from omnitornado.config.source import find_lines, read_source
from omnitornado.config.store import StoreSettings, settle_store
from omnitornado.config.tasks import TaskSettings, check_tasks
from omnitornado.config.tokens import TokenSettings
from omnitornado.config.upstreams import UpstreamSettings, build_upstream
from omnitornado.passwords import DEFAULT_ROUNDS

S = TypeVar("S", bound=Settings)
_NO_OVERRIDES = Overrides()
_BY_SETTINGS: dict[type[Settings], Section] = {section.settings: section for section in SECTIONS}
_NAMES = {section.name: section for section in SECTIONS if "." not in section.name}


def load_config(
    path: str | Path, *, overrides: Overrides = _NO_OVERRIDES, bcrypt_rounds: int = DEFAULT_ROUNDS
) -> Config:
    """Read and check a configuration file; the command line's `overrides` replace its keys.

    `bcrypt_rounds` is the cost that plain passwords are hashed with. Raises ConfigError, which names the
    file, the line, the key and the reason.
    """
    data, origin = read_source(Path(path), str(path))
    server = data.setdefault("server", {})
    options: dict[KeyPath, str] = {}
    for name in overrides.__struct_fields__:
        value = getattr(overrides, name)
        if value is not None and isinstance(server, dict):
            server[name] = value
            options["server", name] = "--" + name.replace("_", "-")
    return _build(data, Origin(origin.source, origin.folder, origin.lines, options), bcrypt_rounds)


def build_config(
    data: Mapping[str, Any], *, folder: Path, source: str = "<python>", bcrypt_rounds: int = DEFAULT_ROUNDS
) -> Config:
    """The same checks for a dictionary of the file's shape; relative paths start at `folder`.

    Raises ConfigError.
    """
    return _build(data, Origin(source, folder.absolute()), bcrypt_rounds)


def build_key_error(config: Config, section: str, key: str, reason: str) -> ConfigError:
    """A ConfigError for a key of a loaded configuration, with its line if the file still has it."""
    try:
        text = (config.folder / Path(config.source).name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        text = ""
    return Origin(config.source, config.folder, find_lines(text)).build_error((section, key), reason)


def _build(data: Mapping[str, Any], origin: Origin, rounds: int) -> Config:
    _check_names(data, _NAMES, (), origin)
    server = _build_settings(ServerSettings, data, origin)
    login = _build_settings(LoginSettings, data, origin)
    oidc = _build_oidc(data, server, origin)
    store = _build_settings(StoreSettings, data, origin)
    with _pointing_at(("server",), origin):
        check_server(server)
    with _pointing_at(("store",), origin):
        store = settle_store(store, data.get("store"))
        check_file_place(store.path)
    audit = _build_settings(AuditSettings, data, origin)
    with _pointing_at(("audit",), origin):
        check_file_place(audit.path)
    tasks = _build_settings(TaskSettings, data, origin)
    with _pointing_at(("tasks",), origin):
        check_tasks(tasks)
    pushed_requests = _build_settings(PushedRequestSettings, data, origin)
    with _pointing_at(("pushed_requests",), origin):
        check_pushed_requests(pushed_requests)
    mcp = _build_settings(McpSettings, data, origin)
    providers = _build_providers(data, server, oidc, origin)
    config = Config(
        server=server,
        tokens=_build_settings(TokenSettings, data, origin),
        store=store,
        registration=_build_settings(RegistrationSettings, data, origin),
        client_documents=_build_settings(ClientDocumentSettings, data, origin),
        outbound=_build_settings(OutboundSettings, data, origin),
        login=login,
        oidc=oidc,
        audit=audit,
        limits=_build_settings(LimitSettings, data, origin),
        device=_build_settings(DeviceSettings, data, origin),
        pushed_requests=pushed_requests,
        dpop=_build_settings(DpopSettings, data, origin),
        mcp=mcp,
        upstreams=_build_upstreams(data, mcp, origin),
        tasks=tasks,
        clients=_build_clients(data, origin, has_providers=bool(providers)),
        identity_providers=providers,
        scopes=_build_scopes(data, origin),
        resource_servers=_build_resource_servers(data, server, origin),
        # Last: hashing a plain password takes a quarter of a second.
        users=_build_users(data, server, login, oidc, origin, rounds, has_providers=bool(providers)),
        folder=origin.folder,
        source=origin.source,
    )
    if oidc is not None:
        with _pointing_at(("login", "oidc"), origin):
            check_let_in(oidc, config.users)
    return config


def _build_settings(settings: type[S], data: Mapping[str, Any], origin: Origin) -> S:
    section = _BY_SETTINGS[settings]
    return settings(**_parse_table(section, data.get(section.name, {}), (section.name,), origin))


def _build_users(
    data: Mapping[str, Any],
    server: ServerSettings,
    login: LoginSettings,
    oidc: OidcSettings | None,
    origin: Origin,
    rounds: int,
    *,
    has_providers: bool,
) -> tuple[UserSettings, ...]:
    is_local = is_on_loopback(server)
    is_elsewhere = has_providers or bool(login.validate_user)
    users: list[UserSettings] = []
    for index, table in enumerate(_parse_array(_NAMES["users"], "username", data, origin)):
        with _pointing_at(("users", index), origin):
            is_checked_elsewhere = is_elsewhere or is_at_provider(table, oidc)
            user = build_user(
                table, is_local=is_local, rounds=rounds, is_checked_elsewhere=is_checked_elsewhere
            )
            check_user_names(oidc, user, users)
            users.append(user)
    return tuple(users)


def _build_oidc(data: Mapping[str, Any], server: ServerSettings, origin: Origin) -> OidcSettings | None:
    path = ("login", "oidc")
    table = data.get("login", {}).get("oidc")
    if table is None:
        return None
    oidc = OidcSettings(**_parse_table(_BY_SETTINGS[OidcSettings], table, path, origin))
    with _pointing_at(path, origin):
        check_oidc(oidc, server.public_url)
    return oidc


def _build_clients(
    data: Mapping[str, Any], origin: Origin, *, has_providers: bool
) -> tuple[ClientSettings, ...]:
    clients = []
    for index, table in enumerate(_parse_array(_NAMES["clients"], "client_id", data, origin)):
        with _pointing_at(("clients", index), origin):
            check_assertion_grants(table["grant_types"], has_providers=has_providers)
            clients.append(build_client(table))
    return tuple(clients)


def _build_providers(
    data: Mapping[str, Any], server: ServerSettings, oidc: OidcSettings | None, origin: Origin
) -> tuple[IdentityProviderSettings, ...]:
    """Each has a name and an issuer of its own."""
    section, providers = _NAMES["identity_providers"], []
    _parse_array(section, "issuer", data, origin)
    for index, table in enumerate(_parse_array(section, "name", data, origin)):
        with _pointing_at((section.name, index), origin):
            check_provider(table, server.public_url, None if oidc is None else oidc.issuer)
            providers.append(IdentityProviderSettings(**table))
    return tuple(providers)


def _build_scopes(data: Mapping[str, Any], origin: Origin) -> tuple[ScopeSettings, ...]:
    return tuple(ScopeSettings(**table) for table in _parse_array(_NAMES["scopes"], "scope", data, origin))


def _build_resource_servers(
    data: Mapping[str, Any], server: ServerSettings, origin: Origin
) -> tuple[ResourceServerSettings, ...]:
    servers = []
    for index, table in enumerate(_parse_array(_NAMES["resource_servers"], "server_id", data, origin)):
        with _pointing_at(("resource_servers", index), origin):
            check_resources(table["resources"], server)
            servers.append(ResourceServerSettings(**table))
    return tuple(servers)


def _build_upstreams(
    data: Mapping[str, Any], mcp: McpSettings, origin: Origin
) -> tuple[UpstreamSettings, ...]:
    section, upstreams = _BY_SETTINGS[UpstreamSettings], []
    for index, table in enumerate(_parse_array(section, "name", data.get("mcp", {}), origin)):
        with _pointing_at((*section.path, index), origin):
            upstreams.append(build_upstream(table))
    for index, upstream in enumerate(upstreams):
        others = {one.path for one in upstreams[:index]} | ({mcp.path} if mcp.app or mcp.skills else set())
        if upstream.path in others:
            raise origin.build_error((*section.path, index, "path"), "another server stands at this path")
    return tuple(upstreams)


def _parse_array(
    section: Section, unique: str, data: Mapping[str, Any], origin: Origin
) -> list[dict[str, Any]]:
    """Each table of an array of tables, its keys parsed; the key `unique` differs in each."""
    tables = data.get(section.path[-1], [])
    if not isinstance(tables, list | tuple):
        reason = f"expected an array of tables, found {name_type(tables)}: write {section.header}"
        raise origin.build_error(section.path, reason)
    parsed = [
        _parse_table(section, table, (*section.path, index), origin) for index, table in enumerate(tables)
    ]
    position = find_duplicate(table[unique] for table in parsed)
    if position is not None:
        reason = f"this {unique} is in use by another of {section.header}"
        raise origin.build_error((*section.path, position, unique), reason)
    return parsed


def _parse_table(section: Section, table: object, path: KeyPath, origin: Origin) -> dict[str, Any]:
    """The table's values by key, defaults filled in."""
    if not isinstance(table, Mapping):
        reason = f"expected a table, found {name_type(table)}: write {section.header}"
        raise origin.build_error(path, reason)
    for name, reason in section.refused.items():
        if name in table:
            raise origin.build_error((*path, name), reason)
    keys = section.keys
    _check_names(table, keys | section.find_tables(SECTIONS), path, origin)
    return {name: _parse_key(key, table.get(name), (*path, name), origin) for name, key in keys.items()}


def _parse_key(key: Key, given: object, path: KeyPath, origin: Origin) -> Any:
    value = key.default if given is None else given
    if value is REQUIRED:
        raise origin.build_error(path, "needed")
    if value is None:
        return None
    try:
        parsed = key.kind.parse(value)
    except ValueError as error:
        # From None: a traceback of the original error could show the value.
        raise origin.build_error(path, str(error)) from None
    return origin.folder / parsed if isinstance(parsed, Path) else parsed


def _check_names(table: Mapping[str, Any], known: Mapping[str, Any], path: KeyPath, origin: Origin) -> None:
    """Refuse a key or table that nobody reads: a typing error must not switch a setting off silently."""
    for name, value in table.items():
        if name in known:
            continue
        close = next(iter(difflib.get_close_matches(str(name), known, n=1)), None)
        hint = "" if close is None else f"; did you mean {close if path else known[close].header}?"
        if path or isinstance(value, Mapping | list):
            raise origin.build_error((*path, str(name)), f"unknown {'key' if path else 'table'}{hint}")
        raise origin.build_error((str(name),), f"unknown key outside of any table{hint}", key=str(name))


@contextmanager
def _pointing_at(path: KeyPath, origin: Origin) -> Iterator[None]:
    """Put a check's complaint at the right key of the table at `path`."""
    try:
        yield
    except MismatchError as mismatch:
        raise origin.build_error((*path, mismatch.key), str(mismatch)) from None
