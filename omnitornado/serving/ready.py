"""What a person pastes into a client, once the server answers."""

import msgspec


class PresetClient(msgspec.Struct, frozen=True):
    """A preset client as it is handed to a person."""

    client_id: str
    client_secret: str | None


class Ready(msgspec.Struct, frozen=True):
    """A server that answers: what a person pastes into a client."""

    mcp_url: str
    issuer: str
    local_url: str
    public_url: str | None
    clients: tuple[PresetClient, ...]
    upstream_urls: dict[str, str] = {}
    """MCP URLs of the servers behind this one, by their names."""

    @property
    def client_id(self) -> str | None:
        """The first preset client's id."""
        return self.clients[0].client_id if self.clients else None

    @property
    def client_secret(self) -> str | None:
        """The first preset client's secret."""
        return self.clients[0].client_secret if self.clients else None

    def build_banner(self) -> list[str]:
        """The lines of the ready banner."""
        lines = [f"MCP URL: {self.mcp_url}", f"Issuer: {self.issuer}"]
        lines += [f"Upstream URL: {url}" for url in self.upstream_urls.values() if url != self.mcp_url]
        for client in self.clients:
            lines.append(f"Client ID: {client.client_id}")
            if client.client_secret is not None:
                lines.append(f"Client Secret: {client.client_secret}")
        return lines


def print_banner(ready: Ready) -> None:
    print("\n".join(ready.build_banner()), flush=True)
