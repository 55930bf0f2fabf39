"""Settings to text: values as TOML, the reference for the documentation, and what a server would serve."""

import json
from typing import Any

from omnitornado.config.keys import REQUIRED, Key, Section
from omnitornado.config.sections import SECTIONS, Config
from omnitornado.config.settings import ServerSettings
from omnitornado.config.store import hide_secrets


def write_value(value: Any) -> str:
    """A string, boolean, number, array or table as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(write_value(entry) for entry in value)}]"
    if isinstance(value, dict):
        entries = ", ".join(f"{write_value(name)} = {write_value(entry)}" for name, entry in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    return json.dumps(value, ensure_ascii=False)


def build_reference() -> str:
    """Every table and key in Markdown: what it may hold, its default, what it does."""
    lines = [
        "# Configuration",
        "",
        "One TOML file. Unknown keys, wrong types and impossible values are refused at start, with the file, "
        "the line, the key and the reason. Relative paths start at the file's folder.",
    ]
    for section in SECTIONS:
        lines += ["", f"## `{section.header}`", "", section.help, ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [_write_row(name, key) for name, key in section.keys.items()]
    return "\n".join(lines) + "\n"


def _write_row(name: str, key: Key) -> str:
    if key.default is REQUIRED:
        default = "needed"
    elif key.default is None:
        default = "left out"
    else:
        default = f"`{write_value(key.default)}`"
    cells = (f"`{name}`", key.kind.label, default, key.help)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def build_base_url(server: ServerSettings, port: int | None = None) -> str:
    """The server's own address without a final slash: `public_url`, or the loopback one.

    `port` is the one that was bound, where the configuration asks for a free one.
    """
    if server.public_url:
        return server.public_url
    scheme = "https" if server.tls_certificate else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    bound = server.port if port is None else port
    return f"{scheme}://{host}:{bound or '(a free port)'}"


def describe_config(config: Config) -> list[tuple[str, str]]:
    """What the configuration would serve, for `--check`: label and value, no secrets."""
    base = build_base_url(config.server)
    return [
        ("MCP URL", base + (config.mcp.path if config.has_own_endpoint else config.upstreams[0].path)),
        ("Issuer", base),
        ("Users", _describe_users(config)),
        ("Clients", ", ".join(client.client_id for client in config.clients) or "none preset"),
        ("Registration", _describe_registration(config)),
        ("Resource servers", ", ".join(one.server_id for one in config.resource_servers) or "none"),
        ("Store", _describe_store(config)),
        ("App", config.mcp.app or "none: no tools"),
        *(
            (f"Upstream {one.name}", f"{base}{one.path} ({' '.join(one.command)})")
            for one in config.upstreams
        ),
        ("Skills", "none" if config.mcp.skills is None else str(config.mcp.skills)),
    ]


def _describe_users(config: Config) -> str:
    elsewhere = [config.login.validate_user] if config.login.validate_user else []
    if config.oidc is not None:
        elsewhere.append(config.oidc.issuer)
    names = [user.username for user in config.users] + [f"those of {place}" for place in elsewhere]
    return ", ".join(names) or "none: nobody can sign in"


def _describe_store(config: Config) -> str:
    if config.store.url:
        return hide_secrets(config.store.url)
    return "in memory only" if config.store.path is None else str(config.store.path)


def _describe_registration(config: Config) -> str:
    if not config.registration.enabled:
        return "off"
    return "by initial access token" if config.registration.initial_access_tokens else "open"


def write_section(section: Section, values: dict[str, Any]) -> list[str]:
    """A table of a configuration file: every key with its help, `values` in place of the defaults.

    A key without a value or a default stands commented out, with its example; so does all of an array of
    tables, or of an optional table, that has no values.
    """
    is_left_out = (section.is_array or section.is_optional) and not values
    mark = "# " if is_left_out else ""
    lines = [f"# {section.help}", mark + section.header]
    for name, key in section.keys.items():
        lines += wrap_comment(key.help)
        default = None if key.default is REQUIRED else key.default
        value = values.get(name, default)
        if is_left_out and key.example is not None:
            value = key.example
        if value is None:
            lines.append(f"# {name} = {write_value(key.example if key.example is not None else '…')}")
        else:
            lines.append(f"{mark}{name} = {write_value(value)}")
    return lines


def wrap_comment(text: str, width: int = 110) -> list[str]:
    """Text as comment lines."""
    import textwrap  # Only `init` writes a file.

    return textwrap.wrap(text, width, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
