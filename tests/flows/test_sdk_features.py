"""Every MCP feature with the official Python SDK's client, in both eras, against examples/everything.py."""

import asyncio
from collections.abc import Iterator
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from pydantic import FileUrl

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .sdk import Application

MODES = ("legacy", "2026-07-28")


@pytest.fixture
def everything(serve: Serve) -> ServerProcess:
    return serve(mcp={"name": "everything", "app": "examples.everything:mcp"})


@pytest.fixture
def person(everything: ServerProcess, ledger: Ledger) -> Iterator[Person]:
    with Person(everything.issuer, ledger) as person:
        yield person


class Host:
    """The application's side: it answers what the server asks, and notes that it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        if getattr(params, "mode", "form") == "url":
            return types.ElicitResult(action="accept")
        properties = params.requested_schema["properties"]
        return types.ElicitResult(action="accept", content={k: _fill(v) for k, v in properties.items()})

    async def sample(self, context: Any, params: Any) -> types.CreateMessageResult:
        self.asked.append("sample")
        text = types.TextContent(type="text", text=f"heard {len(params.messages)}")
        return types.CreateMessageResult(role="assistant", model="m", stop_reason="endTurn", content=text)

    async def list_roots(self, context: Any) -> types.ListRootsResult:
        self.asked.append("roots")
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///work"), name="Work")])

    @property
    def options(self) -> dict[str, Any]:
        return {
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
            "list_roots_callback": self.list_roots,
        }


def _fill(schema: dict[str, Any]) -> Any:
    """An answer for a field: its default, or one that fits."""
    fitting: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "string": "text"}
    return schema.get("default", fitting.get(schema["type"]))


def _read(answer: types.CallToolResult) -> str:
    """The text of a tool's answer."""
    return "".join(block.text for block in answer.content if isinstance(block, types.TextContent))


@pytest.mark.parametrize("mode", MODES)
def test_every_feature_works_with_the_official_client(
    everything: ServerProcess, person: Person, ledger: Ledger, mode: str
) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28, client/elicitation, sampling, roots, server/*."""
    host = Host()
    steps: list[float] = []

    async def note_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def scenario() -> None:
        async with Application(everything.mcp_url, person, ledger).connect(mode, **host.options) as client:
            answer = await client.call_tool("test_elicitation", {"message": "Who are you?"})
            assert (answer.is_error, host.asked) == (False, ["Who are you?"])
            answer = await client.call_tool("test_sampling", {"prompt": "Say something"})
            assert "heard 1" in _read(answer)
            answer = await client.call_tool("list_roots", {})
            assert "file:///work" in _read(answer)
            assert host.asked[1:] == ["sample", "roots"]

            await client.call_tool("test_tool_with_progress", {}, progress_callback=note_progress)
            assert steps == sorted(set(steps))
            assert len(steps) > 1

            resources = (await client.list_resources()).resources
            read = await client.read_resource(str(resources[0].uri))
            assert str(read.contents[0].uri) == str(resources[0].uri)
            assert (await client.list_resource_templates()).resource_templates
            prompts = (await client.list_prompts()).prompts
            simple = next(prompt for prompt in prompts if not prompt.arguments)
            assert (await client.get_prompt(simple.name)).messages

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_cannot_be_asked_is_told_so(
    everything: ServerProcess, person: Person, ledger: Ledger, mode: str
) -> None:
    """Required by MCP 2026-07-28 basic/index (client capabilities): the server asks nothing undeclared."""

    async def scenario() -> None:
        async with Application(everything.mcp_url, person, ledger).connect(mode) as client:
            call = client.call_tool("test_elicitation", {"message": "Who are you?"})
            if mode == "legacy":
                assert (await call).is_error
            else:
                with pytest.raises(MCPError, match="does not support elicitation"):
                    await call

    asyncio.run(scenario())
