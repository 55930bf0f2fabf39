"""Everything a server can offer, once each: `app = "examples.everything:mcp"` in the configuration serves it.

The names that begin with `test` are the ones that the official conformance suite calls.
"""

import asyncio
import base64
import io
import json
import secrets
import wave
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta, to_builtins

from omnitornado import (
    Accepted,
    Annotations,
    Audio,
    Completion,
    Content,
    Context,
    EmbeddedResource,
    Icon,
    Image,
    JsonRpcError,
    MCPServer,
    Message,
    ResourceContent,
    ResourceLink,
    ResourceNotFoundError,
    TaskSupport,
    ToolAnnotations,
    ToolError,
    ToolResult,
    param_header,
)

ICON = Icon(
    "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=",
    mime_type="image/svg+xml",
    sizes=("any",),
)

mcp = MCPServer(
    "everything",
    title="Everything",
    version="1.0.0",
    description="One example of each thing that an MCP server can offer.",
    instructions="For trying clients out: each tool, resource and prompt shows one feature.",
    icons=[ICON],
)

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mOQz38NRAwQCgAmGgXldPvgagAAAABJRU5ErkJggg=="
)
"""Four blue pixels, as PNG."""


def build_sound() -> bytes:
    """A tenth of a second of silence, as WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * 800)
    return file.getvalue()


# Tools: what they return


@mcp.tool(title="Text", icons=[ICON], annotations=READ_ONLY)
def test_simple_text() -> str:
    """Return a line of text."""
    return "This is a simple text response for testing."


@mcp.tool(title="Picture", annotations=READ_ONLY)
def test_image_content() -> Image:
    """Return a picture."""
    return Image(PICTURE, "image/png")


@mcp.tool(title="Sound", annotations=READ_ONLY)
def test_audio_content() -> Audio:
    """Return a sound."""
    return Audio(build_sound(), "audio/wav")


@mcp.tool(title="Embedded resource", annotations=READ_ONLY)
def test_embedded_resource() -> EmbeddedResource:
    """Return a resource with its content."""
    return EmbeddedResource("test://embedded-resource", "This is an embedded resource content.", "text/plain")


@mcp.tool(title="Several contents", annotations=READ_ONLY)
def test_multiple_content_types() -> list[Content | str]:
    """Return text, a picture and a resource together."""
    data = json.dumps({"test": "data", "value": 123})
    return [
        "Multiple content types test:",
        Image(PICTURE, "image/png"),
        EmbeddedResource("test://mixed-content-resource", data, "application/json"),
    ]


@mcp.tool(title="Link", annotations=READ_ONLY)
def link_resource() -> ResourceLink:
    """Return a link to a resource, for the client to read if it likes."""
    return ResourceLink("test://static-text", "static_text", title="Static text", mime_type="text/plain")


@mcp.tool(title="Structured content", annotations=READ_ONLY)
def list_primes(below: int) -> list[int]:
    """List prime numbers.

    Args:
        below: Where to stop.
    """
    if below > 10_000:
        raise ToolError("That is too far for an example: stop at 10000.")
    return [number for number in range(2, below) if all(number % factor for factor in range(2, number))]


@mcp.tool(title="Error", annotations=READ_ONLY)
def test_error_handling() -> str:
    """Fail, in words that are meant for the model."""
    raise ToolError("This tool intentionally returns an error for testing")


# Tools: what they take

PERSON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@mcp.tool(title="A schema of one's own", input_schema=PERSON, annotations=READ_ONLY)
def json_schema_2020_12_tool(person: dict[str, Any]) -> ToolResult:
    """Take what a JSON Schema says that no type hint could."""
    return ToolResult(f"{person.get('name', 'Somebody')} can be reached.", structured=person)


@mcp.tool(title="Mirrored parameter", annotations=READ_ONLY)
def test_header_parameter(region: Annotated[str, param_header("Region")]) -> str:
    """Take a parameter that the client mirrors into a header, for proxies to route on.

    Args:
        region: Where to run.
    """
    return f"Ran in {region}."


# Tools: what they say meanwhile


@mcp.tool(title="Log", annotations=READ_ONLY)
async def test_tool_with_logging(context: Context) -> str:
    """Log three messages on the way."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.log("info", message)
        await asyncio.sleep(0.05)
    return "Tool with logging executed successfully"


@mcp.tool(title="Log once", annotations=READ_ONLY)
async def test_logging_tool(context: Context) -> str:
    """Log a message, which only a client that asked for messages gets."""
    await context.log("info", "A message of the logging tool")
    return "Logged."


@mcp.tool(title="Progress", annotations=READ_ONLY)
async def test_tool_with_progress(context: Context) -> str:
    """Report progress on the way."""
    for step in (0, 50, 100):
        await context.progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return "Done."


# Tools: what they ask the person, and the client


@dataclass
class Account:
    """What a form asks for."""

    username: Annotated[str, Meta(description="User's response")]
    email: Annotated[str, Meta(description="User's email address")]


@mcp.tool(title="Ask with a form")
async def test_elicitation(message: str, context: Context) -> str:
    """Ask the person for a name and an address.

    Args:
        message: What to show them.
    """
    answer = await context.elicit(message, Account)
    content = asdict(answer.data) if isinstance(answer, Accepted) else {}
    return f"User response: action={answer.action}, content={json.dumps(content)}"


@dataclass
class Profile:
    """A form whose fields are filled in already."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


@mcp.tool(title="Ask with defaults")
async def test_elicitation_sep1034_defaults(context: Context) -> str:
    """Ask with a form that has a default for each kind of field."""
    answer = await context.elicit("Please check your profile", Profile)
    content = asdict(answer.data) if isinstance(answer, Accepted) else {}
    return f"Elicitation completed: action={answer.action}, content={json.dumps(content)}"


Titled = Enum("Titled", {"First Option": "value1", "Second Option": "value2", "Third Option": "value3"})
Choice = Enum("Choice", {"First Choice": "value1", "Second Choice": "value2", "Third Choice": "value3"})
LEGACY_NAMES = Meta(extra_json_schema={"enumNames": ["Option One", "Option Two", "Option Three"]})


class Choices(TypedDict):
    """A form with every kind of choice."""

    untitledSingle: Literal["option1", "option2", "option3"]
    titledSingle: Titled
    legacyEnum: Annotated[Literal["opt1", "opt2", "opt3"], LEGACY_NAMES]
    untitledMulti: list[Literal["option1", "option2", "option3"]]
    titledMulti: list[Choice]


@mcp.tool(title="Ask with choices")
async def test_elicitation_sep1330_enums(context: Context) -> str:
    """Ask with a form that has every kind of choice."""
    answer = await context.elicit("Please choose", Choices)
    content = to_builtins(answer.data) if isinstance(answer, Accepted) else {}
    return f"Elicitation completed: action={answer.action}, content={json.dumps(content)}"


@mcp.tool(title="Send to a page")
async def connect_account(context: Context) -> str:
    """Send the person to a page, for what must not pass through the client."""
    # The function runs again with the answer: something random must come from `once`, to stay the same.
    ticket = await context.once("ticket", lambda: secrets.token_urlsafe(16))
    url = f"https://example.com/connect?ticket={ticket}"
    answer = await context.elicit_url("Please connect your account.", url, elicitation_id=ticket)
    if not isinstance(answer, Accepted):
        return "Not connected."
    await context.complete_elicitation(ticket)
    return "Connected."


@mcp.tool(title="Ask from a plain function", annotations=READ_ONLY)
def guess_number(context: Context) -> str:
    """Ask until the guess is right: plain functions wait where async ones await."""
    secret = context.wait(context.once("secret", lambda: secrets.randbelow(10)))
    message = "Guess a number from 0 to 9."
    while True:
        answer = context.wait(context.elicit(message, int))
        if not isinstance(answer, Accepted):
            return "Given up."
        if answer.data == secret:
            return f"Right: {secret}."
        message = f"No, it is {'above' if answer.data < secret else 'below'} {answer.data}."


@mcp.tool(title="Ask the model")
async def test_sampling(prompt: str, context: Context) -> str:
    """Ask the client's model.

    Args:
        prompt: The prompt to send to the LLM.
    """
    sample = await context.sample(prompt, max_tokens=100)
    return f"LLM response: {sample.text}"


@mcp.tool(title="Let the model use a tool")
async def ask_with_tools(question: str, context: Context) -> str:
    """Let the client's model use a tool while it answers.

    Args:
        question: What to ask it.
    """
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = {"name": "get_weather", "description": "The weather in a city.", "inputSchema": schema}
    conversation: list[Any] = [question]
    for choice in ("auto", "none"):
        sample = await context.sample(conversation, max_tokens=200, tools=[weather], tool_choice=choice)
        if not sample.tool_uses:
            return sample.text
        results = [
            {
                "type": "tool_result",
                "toolUseId": use["id"],
                "content": [{"type": "text", "text": f"Sunny in {use['input'].get('city')}."}],
            }
            for use in sample.tool_uses
        ]
        conversation += [sample, {"role": "user", "content": results}]
    return sample.text


@mcp.tool(title="Ask for the roots", annotations=READ_ONLY)
async def list_roots(context: Context) -> list[str]:
    """List the folders that the client works on."""
    return [root.uri for root in await context.list_roots()]


@mcp.tool(title="Read a resource", annotations=READ_ONLY)
async def read_resource(uri: str, context: Context) -> str:
    """Read a resource of this server.

    Args:
        uri: Which.
    """
    try:
        contents = await context.read_resource(uri)
    except ResourceNotFoundError:
        raise ToolError(f"There is nothing at {uri}.") from None
    return "\n".join(
        one.content if isinstance(one.content, str) else f"{len(one.content)} bytes" for one in contents
    )


@mcp.tool(title="Come back later", annotations=READ_ONLY)
async def test_reconnection(context: Context) -> str:
    """End the connection and go on: the client comes back for the result."""
    context.close_stream(retry=0.5)
    await asyncio.sleep(0.2)
    return "Reconnection test completed successfully."


@mcp.tool(title="Run until stopped")
async def run_until_stopped(context: Context) -> None:
    """Work without an end; a client that cancels the call stops it, and the watched resource says so."""
    await context.progress(0, message="Running")
    try:
        await asyncio.Event().wait()
    finally:
        write_watched_resource("A call was stopped.")


# Tools that not every client may call


@mcp.tool(title="Read the diary", scopes=["diary"], annotations=READ_ONLY)
def read_diary(context: Context) -> str:
    """Read what needs a scope of its own: a client that lacks it is told so, and asks the person for more."""
    return f"Dear diary, {context.username} was here."


# Tools whose calls go on as tasks, with clients that take them


@mcp.tool(title="Greet", annotations=READ_ONLY)
def greet(name: str) -> str:
    """Greet somebody, at once: a tool that says nothing of tasks is never one.

    Args:
        name: Whom.
    """
    return f"Hello, {name}!"


@mcp.tool(title="Compute slowly", task=True, annotations=READ_ONLY)
async def slow_compute(seconds: float, context: Context, label: str = "") -> str:
    """Take a while. As a task its progress is the task's status message.

    Args:
        seconds: How long.
        label: What to call it.
    """
    await context.progress(0, seconds, f"Computing {label}".strip())
    await asyncio.sleep(seconds)
    return f"Computed {label} for {seconds:g} s."


JOB = TaskSupport(required=True, time_limit=60, result_lifetime=600, poll_interval=0.5)


@mcp.tool(title="Job that fails", task=JOB, annotations=READ_ONLY)
async def failing_job() -> str:
    """Fail after a while, in words that are meant for the model. Needs a client that takes tasks."""
    await asyncio.sleep(1)
    raise ToolError("The job failed, as it always does.")


@mcp.tool(title="Job with a protocol error", task=True, annotations=READ_ONLY)
async def protocol_error_job() -> str:
    """Fail with a JSON-RPC error in place of a result, which no model sees."""
    raise JsonRpcError(code=-32603, message="The job can't be run at all.")


class Sure(TypedDict):
    """A form with one box to tick."""

    confirm: bool


@mcp.tool(title="Ask during a task", task=True)
async def confirm_delete(filename: str, context: Context) -> str:
    """Ask the person before something is deleted (nothing ever is).

    Args:
        filename: What to delete.
    """
    answer = await context.elicit(f"Delete {filename}?", Sure, key="confirm")
    if isinstance(answer, Accepted) and answer.data["confirm"]:
        return f"Deleted {filename}."
    return f"Kept {filename}."


class Named(TypedDict):
    """A form for a name."""

    name: str


@mcp.tool(title="Ask twice during a task", task=True)
async def multi_input(context: Context) -> str:
    """Ask two things at the same time, which may be answered one by one."""
    name, sure = await asyncio.gather(
        context.elicit("What is your name?", Named, key="name"),
        context.elicit("Are you sure?", Sure, key="confirm"),
    )
    who = name.data["name"] if isinstance(name, Accepted) else "Somebody"
    return f"{who} says {sure.action}."


@mcp.tool(title="Ask before a task", task=TaskSupport(required=True, starts_at_once=False))
async def test_tool_with_task(context: Context) -> str:
    """Ask for a name in a plain call, and only then go on as a task."""
    answer = await context.elicit("What is your name?", Named, key="user_name")
    await context.start_task()
    return f"Hello, {answer.data['name']}!" if isinstance(answer, Accepted) else "Hello!"


# What the suite calls to see questions of the stateless era


@mcp.tool()
async def test_missing_capability(context: Context) -> str:
    """Need a client that has a model."""
    return (await context.sample("Say something.", max_tokens=10)).text


@mcp.tool()
async def test_streaming_elicitation(context: Context) -> str:
    """Ask during a call that streams."""
    answer = await context.elicit("Please confirm", bool)
    return answer.action


@mcp.tool()
async def test_input_required_result_elicitation(context: Context) -> str:
    """Ask for a name."""
    form = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    answer = await context.elicit("What is your name?", form, key="user_name")
    return f"Hello, {answer.data['name']}!" if isinstance(answer, Accepted) else "Hello!"


@mcp.tool()
async def test_input_required_result_sampling(context: Context) -> str:
    """Ask the client's model."""
    sample = await context.sample("What is the capital of France?", max_tokens=100, key="capital_question")
    return sample.text


@mcp.tool()
async def test_input_required_result_list_roots(context: Context) -> str:
    """Ask for the client's roots."""
    roots = await context.list_roots(key="client_roots")
    return "Roots: " + ", ".join(root.uri for root in roots)


class Confirmation(TypedDict):
    """A form with one box to tick."""

    ok: bool


async def confirm(context: Context) -> str:
    """Ask, and tell that the state of the call came back whole: a changed one never gets here."""
    started = await context.once("started", lambda: "state-ok")
    answer = await context.elicit("Please confirm", Confirmation, key="confirm")
    return f"{started}: {answer.action}"


@mcp.tool()
async def test_input_required_result_request_state(context: Context) -> str:
    """Ask, and carry something over to the answer."""
    return await confirm(context)


@mcp.tool()
async def test_input_required_result_tampered_state(context: Context) -> str:
    """Ask; a client that changes the state of the call is refused."""
    return await confirm(context)


class Name(TypedDict):
    """A form for a name."""

    name: str


class Color(TypedDict):
    """A form for a colour."""

    color: str


@mcp.tool()
async def test_input_required_result_multiple_inputs(context: Context) -> str:
    """Ask the person, the model and the client at the same time."""
    name, greeting, roots = await asyncio.gather(
        context.elicit("What is your name?", Name, key="user_name"),
        context.sample("Generate a greeting", max_tokens=50, key="greeting"),
        context.list_roots(key="client_roots"),
    )
    who = name.data["name"] if isinstance(name, Accepted) else "somebody"
    return f"{greeting.text} {who}, {len(roots)} roots"


@mcp.tool()
async def test_input_required_result_multi_round(context: Context) -> str:
    """Ask one thing after the other."""
    name = await context.elicit("Step 1: What is your name?", Name, key="step1")
    color = await context.elicit("Step 2: What is your favorite color?", Color, key="step2")
    if isinstance(name, Accepted) and isinstance(color, Accepted):
        return f"{name.data['name']} likes {color.data['color']}."
    return "Not told."


@mcp.tool()
async def test_input_required_result_capabilities(context: Context) -> str:
    """Ask whoever the client says can be asked."""
    if context.supports("elicitation"):
        return (await context.elicit("Say something", str)).action
    return (await context.sample("Say something", max_tokens=50)).text


class Background(TypedDict):
    """A form for what a prompt should know."""

    context: str


@mcp.prompt()
async def test_input_required_result_prompt(context: Context) -> str:
    """A prompt that asks what it should know."""
    answer = await context.elicit("What context should the prompt use?", Background, key="user_context")
    return f"Use this context: {answer.data['context'] if isinstance(answer, Accepted) else 'none'}"


# Lists that change, resources that are updated


@mcp.tool(title="Change the tools")
def test_trigger_tool_change() -> str:
    """Offer one more tool, or take it away again; clients that listen are told."""

    def dynamic_tool() -> str:
        """A tool that comes and goes."""
        return "Still here."

    if mcp.remove_tool("dynamic_tool"):
        return "Removed a tool."
    mcp.add_tool(dynamic_tool)
    return "Added a tool."


@mcp.tool(title="Change the prompts")
def test_trigger_prompt_change() -> str:
    """Offer one more prompt, or take it away again; clients that listen are told."""

    def dynamic_prompt() -> str:
        """A prompt that comes and goes."""
        return "Still here."

    if mcp.remove_prompt("dynamic_prompt"):
        return "Removed a prompt."
    mcp.add_prompt(dynamic_prompt)
    return "Added a prompt."


watched = ["Nothing has been written yet."]


@mcp.resource("test://watched-resource", title="Watched", mime_type="text/plain")
def watched_resource() -> str:
    """A text that changes whenever somebody writes it."""
    return watched[-1]


@mcp.tool(title="Write the watched resource")
def write_watched_resource(text: str) -> str:
    """Change the watched resource; clients that subscribed to it are told.

    Args:
        text: What it says from now on.
    """
    watched[:] = [text]
    mcp.notify_resource_updated("test://watched-resource")
    return "Written."


# Resources


@mcp.resource(
    "test://static-text",
    title="Static text",
    icons=[ICON],
    mime_type="text/plain",
    annotations=Annotations(audience=("user", "assistant"), priority=0.5),
    ttl=3600,
    cache="public",
)
def static_text() -> str:
    """A text that is always the same, and may be kept for an hour by whoever reads it."""
    return "This is the content of the static text resource."


@mcp.resource("test://static-binary", title="Static picture", mime_type="image/png", size=len(PICTURE))
def static_binary() -> bytes:
    """Four blue pixels."""
    return PICTURE


@mcp.resource("test://template/{id}/data", title="Data by id", mime_type="application/json")
def template(id: str) -> dict[str, Any]:  # noqa: A002 - the suite's name for the variable
    """The data behind an id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


PAGES = {"guide/start.md": "# Start", "guide/end.md": "# End", "licence.md": "# Licence"}


@mcp.resource("docs://pages/{+path}", title="Pages", mime_type="text/markdown")
def page(path: str) -> str | list[ResourceContent]:
    """A page of a small handbook, or all pages of a folder.

    Args:
        path: The page's path, as in guide/start.md, or a folder's, as in guide.
    """
    if path in PAGES:
        return PAGES[path]
    below = [name for name in PAGES if name.startswith(f"{path}/")]
    if not below:
        raise ResourceNotFoundError
    return [ResourceContent(PAGES[name], uri=f"docs://pages/{name}") for name in below]


@mcp.completion("ref/resource", "docs://pages/{+path}", "path")
def complete_path(value: str) -> list[str]:
    return [path for path in PAGES if path.startswith(value)]


# Prompts


@mcp.prompt(title="Simple", icons=[ICON])
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@mcp.prompt(title="With arguments")
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments.

    Args:
        arg1: First test argument.
        arg2: Second test argument.
    """
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@mcp.completion("ref/prompt", "test_prompt_with_arguments", "arg1")
def complete_arg1(value: str) -> list[str]:
    return [word for word in ("paris", "park", "party", "test") if word.startswith(value)]


@mcp.completion("ref/prompt", "test_prompt_with_arguments", "arg2")
def complete_arg2(value: str, arguments: dict[str, str]) -> Completion:
    """What fits the first argument comes first, and there would be more."""
    return Completion([f"{arguments.get('arg1', 'any')} {value}".strip()], total=150)


@mcp.prompt(title="With a resource")
def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 - the suite's name
    """A prompt that carries a resource.

    Args:
        resourceUri: URI of the resource to embed.
    """
    return [
        Message(EmbeddedResource(resourceUri, "Embedded resource content for testing.", "text/plain")),
        Message("Please process the embedded resource above."),
    ]


@mcp.prompt(title="With a picture")
def test_prompt_with_image() -> list[Message]:
    """A prompt that carries a picture."""
    return [Message(Image(PICTURE, "image/png")), Message("Please analyze the image above.")]


@mcp.prompt(title="Review")
def review_code(
    code: str, language: Literal["python", "typescript", "rust"] = "python", strict: bool = False
) -> list[Message]:
    """Have a piece of code reviewed. Clients can complete what the types list.

    Args:
        code: The code.
        language: What it is written in.
        strict: Whether to mention small things.
    """
    tone = "Mention everything you notice." if strict else "Mention what matters."
    return [
        Message(f"Review this {language} code. {tone}\n\n{code}"),
        Message("I will look at correctness first.", role="assistant"),
    ]
