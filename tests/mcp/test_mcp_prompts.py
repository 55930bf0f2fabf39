"""Prompts: declared, listed, got, in each revision."""

import base64
import enum
import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from mcp_samples import EVERY_VERSION, STATELESS, Json, Wire, run

from omnitornado.mcp.content import Annotations, Audio, Content, EmbeddedResource, Image, ResourceLink, Text
from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.jsonrpc import encode
from omnitornado.mcp.prompts import Message, build_messages
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tools import ToolError


class Tone(enum.Enum):
    KIND = "kind"
    BLUNT = "blunt"


def build_server() -> MCPServer:
    server = MCPServer("test")

    @server.prompt(title="Review", icons=[Icon("https://example.com/i.png")], meta={"example.com/a": 1})
    def review(
        code: str,
        context: Context,
        tone: Annotated[Tone, msgspec.Meta(title="Tone of voice")] = Tone.KIND,
        lines: int | None = None,
        strict: bool = False,
    ) -> str:
        """Have code reviewed.

        Args:
            code: What to look at.
            lines: How many to show.
        """
        return f"{code} {tone.value} {lines} {strict} {context.username}"

    @server.prompt
    async def greet() -> list[Message]:
        return [Message("Hello"), Message(Image(b"png", "image/png"), role="assistant")]

    @server.prompt()
    def fails() -> str:
        raise ToolError("Not today.")

    @server.prompt()
    async def breaks() -> str:
        raise RuntimeError("hunter2")

    return server


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_prompts_are_listed_in_the_words_of_the_revision(version: str) -> None:
    """Required by each revision's schema.ts (Prompt, PromptArgument)."""
    titled = version >= "2025-06-18"
    tone = {"name": "tone", "required": False} | ({"title": "Tone of voice"} if titled else {})
    expected: Json = {
        "name": "review",
        "description": "Have code reviewed.",
        "arguments": [
            {"name": "code", "description": "What to look at.", "required": True},
            tone,
            {"name": "lines", "description": "How many to show.", "required": False},
            {"name": "strict", "required": False},
        ],
    }
    if titled:
        expected |= {"title": "Review", "_meta": {"example.com/a": 1}}
    if version >= "2025-11-25":
        expected["icons"] = [{"src": "https://example.com/i.png"}]

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("prompts/list", version=version)).result
        assert result["prompts"][:2] == [expected, {"name": "greet"}]
        if version == STATELESS:
            assert (result["ttlMs"], result["cacheScope"]) == (300_000, "private")
        else:
            assert set(result) == {"prompts"}

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_prompts_are_got(version: str) -> None:
    """Required by server/prompts (Getting a Prompt) of each revision."""

    async def scenario(wire: Wire) -> None:
        async def get(arguments: Json) -> str:
            params = {"name": "review", "arguments": arguments}
            result = (await wire.ask("prompts/get", params, version=version)).result
            assert result["description"] == "Have code reviewed."
            assert "ttlMs" not in result
            (message,) = result["messages"]
            assert message["role"] == "user"
            text: str = message["content"]["text"]
            return text

        assert await get({"code": "x"}) == "x kind None False ann"
        filled = {"code": "", "tone": "blunt", "lines": "3", "strict": "true"}
        assert await get(filled) == " blunt 3 True ann"
        result = (await wire.ask("prompts/get", {"name": "greet"}, version=version)).result
        image = {"type": "image", "data": base64.b64encode(b"png").decode(), "mimeType": "image/png"}
        assert result["messages"] == [
            {"role": "user", "content": {"type": "text", "text": "Hello"}},
            {"role": "assistant", "content": image},
        ]

    run(scenario, build_server())


INVALID: list[tuple[str, Json, str]] = [
    ("unknown prompt", {"name": "nothing"}, "Unknown prompt: nothing"),
    ("no arguments", {"name": "review"}, "argument 'code' is required"),
    ("missing argument", {"name": "review", "arguments": {}}, "argument 'code' is required"),
    ("unknown argument", {"name": "greet", "arguments": {"a": "b"}}, "argument 'a' is unknown"),
    ("not a string", {"name": "review", "arguments": {"code": 1}}, "arguments.code must be a string"),
    ("wrong number", {"name": "review", "arguments": {"code": "", "lines": "x"}}, "argument 'lines': "),
    ("wrong choice", {"name": "review", "arguments": {"code": "", "tone": "x"}}, "argument 'tone': Invalid"),
    ("no object", {"name": "review", "arguments": ["code"]}, "arguments must be an object"),
]


@pytest.mark.parametrize(("params", "words"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID])
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_wrong_request_is_invalid_params(version: str, params: Json, words: str) -> None:
    """Required by server/prompts (Error Handling): -32602."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("prompts/get", params, version=version)
        assert (answer.code, answer.status) == (-32602, 400 if version == STATELESS else 200)
        assert words in answer.body["error"]["message"]

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_failing_prompt_is_an_error_in_safe_words(version: str) -> None:
    """Required by server/prompts (Error Handling): -32603."""

    async def scenario(wire: Wire) -> None:
        said = await wire.ask("prompts/get", {"name": "fails"}, version=version)
        assert (said.code, said.status) == (-32603, 200)
        assert said.body["error"]["message"] == "Not today."
        broken = await wire.ask("prompts/get", {"name": "breaks"}, version=version)
        assert broken.code == -32603
        assert "hunter2" not in json.dumps(broken.body)

    run(scenario, build_server(), logged=1)


def said(*blocks: Json, role: str = "user") -> list[Json]:
    return [{"role": role, "content": block} for block in blocks]


TEXT = {"type": "text", "text": "a"}
RETURNED: list[tuple[str, Any, list[Json]]] = [
    ("text", "a", said(TEXT)),
    ("nothing", None, []),
    ("an empty list", [], []),
    ("a value", {"a": 1}, said({"type": "text", "text": '{"a":1}'})),
    ("a list of values", [1, 2], said({"type": "text", "text": "[1,2]"})),
    ("a message", Message("a", role="assistant"), said(TEXT, role="assistant")),
    ("a block", Image(b"x", "image/png"), said({"type": "image", "data": "eA==", "mimeType": "image/png"})),
    ("sound", Audio(b"x", "audio/wav"), said({"type": "audio", "data": "eA==", "mimeType": "audio/wav"})),
    (
        "a mixed list",
        ["a", Message("a", role="assistant"), Text("a", annotations=Annotations(priority=1))],
        [*said(TEXT), *said(TEXT, role="assistant"), *said(TEXT | {"annotations": {"priority": 1}})],
    ),
    (
        "an embedded resource",
        Message(EmbeddedResource("a://b", "a", "text/plain", meta={"x": 1})),
        said(
            {
                "type": "resource",
                "resource": {"uri": "a://b", "mimeType": "text/plain", "text": "a"},
                "_meta": {"x": 1},
            }
        ),
    ),
]


@pytest.mark.parametrize(("name", "value", "messages"), RETURNED)
def test_a_return_value_becomes_messages(name: str, value: Any, messages: list[Json]) -> None:
    """Required by schema.ts (PromptMessage); which value becomes what is our choice."""
    assert build_messages(value, STATELESS) == messages


def test_blocks_have_the_words_of_the_revision() -> None:
    """Required by schema.ts: links, `_meta`, lastModified since 2025-06-18; icons since 2025-11-25."""
    annotations = Annotations(priority=0.5, last_modified="2026-01-01T00:00:00Z")
    link: Content = ResourceLink(
        "a://b", "b", title="B", size=3, icons=(Icon("https://example.com/i.png"),), annotations=annotations
    )
    text = Text("a", annotations=annotations, meta={"x": 1})
    built = {}
    for version in EVERY_VERSION:
        messages = json.loads(encode(build_messages([link, text], version)))
        built[version] = [message["content"] for message in messages]
    assert built["2025-03-26"] == [
        {"type": "text", "text": "B: a://b"},
        TEXT | {"annotations": {"priority": 0.5}},
    ]
    dated = {"annotations": {"priority": 0.5, "lastModified": "2026-01-01T00:00:00Z"}}
    plain = {"type": "resource_link", "uri": "a://b", "name": "b", "title": "B", "size": 3, **dated}
    assert built["2025-06-18"] == [plain, TEXT | dated | {"_meta": {"x": 1}}]
    assert built["2025-11-25"][0] == plain | {"icons": [{"src": "https://example.com/i.png"}]}
    assert built["2025-11-25"] == built[STATELESS]


def takes_list(words: list[str]) -> str:
    return ""


def takes_any(words: Any) -> str:
    return ""


def takes_dict(words: dict[str, str] | None = None) -> str:
    return ""


def unannotated(words) -> str:  # type: ignore[no-untyped-def]
    return ""


def generator() -> Any:
    yield ""


def fine(word: Literal["a", 1] | float | None = None) -> str:
    return ""


@pytest.mark.parametrize("function", [takes_list, takes_any, takes_dict, unannotated, generator])
def test_a_prompt_declared_wrongly_is_named_at_import(function: Any) -> None:
    """Our choice: arguments travel as strings, so a parameter must be of a type that a string can spell."""
    with pytest.raises(DeclarationError, match=rf"^prompt \S*{function.__name__} \(line \d+\): "):
        MCPServer("test").prompt()(function)


@pytest.mark.parametrize("options", [{"name": "has space"}, {"scopes": "mcp"}, {"timeout": -1}])
def test_a_prompt_with_wrong_options_is_named_at_import(options: Any) -> None:
    """Our choice."""
    with pytest.raises(DeclarationError, match="fine"):
        MCPServer("test").prompt(**options)(fine)


def test_a_name_that_is_taken_is_refused() -> None:
    """Required by server/prompts (Prompt): the name is unique."""
    server = MCPServer("test")
    server.prompt(fine)
    with pytest.raises(DeclarationError, match="taken"):
        server.prompt(fine)


def test_a_message_has_one_of_two_roles() -> None:
    """Required by schema.ts (Role)."""
    with pytest.raises(ValueError, match="role"):
        Message("a", role="system")  # type: ignore[arg-type]
