"""The example with everything in it: what it offers, in every revision."""

import asyncio
from typing import Any

import pytest
from mcp_samples import EVERY_VERSION, HANDSHAKE, STATELESS, Json, Wire, run

from examples.everything import mcp


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_every_resource_can_be_read_and_every_prompt_is_described(version: str) -> None:
    """Our choice: what people copy from must work."""

    async def scenario(wire: Wire) -> None:
        for resource in (await wire.ask("resources/list", version=version)).result["resources"]:
            read = (await wire.ask("resources/read", {"uri": resource["uri"]}, version=version)).result
            assert [content["uri"] for content in read["contents"]] == [resource["uri"]]
            assert read["contents"][0]["mimeType"] == resource["mimeType"]
            assert resource["description"]
        for prompt in (await wire.ask("prompts/list", version=version)).result["prompts"]:
            assert prompt["description"]
        for tool in (await wire.ask("tools/list", version=version)).result["tools"]:
            assert tool["description"]

    run(scenario, mcp)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_folder_of_pages_is_several_contents(version: str) -> None:
    """Required by server/resources (Reading Resources): several contents for one URI."""

    async def scenario(wire: Wire) -> None:
        async def read(path: str) -> Any:
            return await wire.ask("resources/read", {"uri": f"docs://pages/{path}"}, version=version)

        assert [one["uri"] for one in (await read("guide")).result["contents"]] == [
            "docs://pages/guide/start.md",
            "docs://pages/guide/end.md",
        ]
        assert (await read("guide/end.md")).result["contents"][0]["text"] == "# End"
        assert (await read("nothing")).code == (-32602 if version == STATELESS else -32002)

    run(scenario, mcp)


PROMPTS: list[tuple[str, Json, list[str]]] = [
    ("test_simple_prompt", {}, ["text"]),
    ("test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"}, ["text"]),
    ("test_prompt_with_embedded_resource", {"resourceUri": "test://example-resource"}, ["resource", "text"]),
    ("test_prompt_with_image", {}, ["image", "text"]),
    ("review_code", {"code": "x", "language": "rust", "strict": "true"}, ["text", "text"]),
]


@pytest.mark.parametrize(("name", "arguments", "kinds"), PROMPTS)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_example_prompts_are_got(version: str, name: str, arguments: Json, kinds: list[str]) -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        params = {"name": name, "arguments": arguments}
        result = (await wire.ask("prompts/get", params, version=version)).result
        assert [message["content"]["type"] for message in result["messages"]] == kinds

    run(scenario, mcp)


def test_lists_and_resources_change_as_they_say() -> None:
    """Our choice: the tools that change things leave them as they were when they are called twice."""

    async def scenario(wire: Wire) -> None:
        heard: list[str] = []
        mcp.watch(lambda change: heard.append(change.uri or change.kind))
        try:
            for name in ("test_trigger_tool_change", "test_trigger_prompt_change") * 2:
                assert (await wire.call(name)).result["isError"] is False
            await wire.call("write_watched_resource", {"text": "news"})
        finally:
            mcp._watchers.pop()
        await asyncio.sleep(0)
        assert heard == ["tools", "prompts", "tools", "prompts", "test://watched-resource"]
        read = await wire.ask("resources/read", {"uri": "test://watched-resource"}, version=HANDSHAKE[-1])
        assert read.result["contents"][0]["text"] == "news"

    run(scenario, mcp)
