"""Implements: MCP 2026-07-28 server/utilities/completion (Requesting Completions, Error Handling):
`completion/complete`, for both eras.
"""

from typing import Any

from omnitornado.mcp.call import Call
from omnitornado.mcp.completion import Completer, build_completion, build_key, find_matches
from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.prompts import Prompt
from omnitornado.mcp.resources import Resource
from omnitornado.mcp.string_arguments import find_choices
from omnitornado.mcp.versions import COMPLETION_CONTEXT_SINCE

_NAMED_BY = {"ref/prompt": "name", "ref/resource": "uri"}


async def complete_argument(services: Services, exchange: Exchange, call: Call) -> Json:
    """Suggest values for an argument: by its completion, or else by its type.

    Raises:
        JsonRpcError: an unknown prompt, template or argument, malformed params, a failure of the function.
        CallCancelledError: the client took the request back.
    """
    target, name, argument, value = _parse(exchange)
    described = _find_described(services, target, name)
    if argument not in described.arguments.schema["properties"]:
        raise _invalid(f"there is no argument {argument[:128]!r}")
    completer = services.server.completions.find(build_key(target, _find_name(described), argument))
    if completer is not None:
        return {"completion": await _run(services, exchange, call, completer, value)}
    choices = find_choices(described.arguments, argument)
    return {"completion": build_completion(find_matches(choices or (), value))}


async def _run(services: Services, exchange: Exchange, call: Call, completer: Completer, value: str) -> Json:
    values: dict[str, Any] = {"value": value}
    if completer.takes_arguments:
        values["arguments"] = _parse_context(exchange)
    context = exchange.build_context(call)
    values |= dict.fromkeys(completer.context_names, context)
    return await services.runner.run_function(completer, values, context, call, build_completion)


def _parse(exchange: Exchange) -> tuple[str, str, str, str]:
    reference, argument = exchange.get_object("ref"), exchange.get_object("argument")
    target = reference.get("type")
    if target not in _NAMED_BY:
        raise _invalid(f"ref.type is one of {', '.join(_NAMED_BY)}")
    name = reference.get(_NAMED_BY[target])
    if not isinstance(name, str):
        raise _invalid(f"ref.{_NAMED_BY[target]} must be a string")
    if not isinstance(argument.get("name"), str) or not isinstance(argument.get("value"), str):
        raise _invalid("argument.name and argument.value must be strings")
    return target, name, argument["name"], argument["value"]


def _find_described(services: Services, target: str, name: str) -> Prompt | Resource:
    """A prompt, or a template: by itself, or by a URI that is one of its own."""
    if target == "ref/prompt":
        prompt = services.server.prompts.find(name)
        if prompt is None:
            raise _invalid(f"unknown prompt {name[:128]!r}")
        return prompt
    template = services.server.resource_templates.find(name)
    if template is not None:
        return template
    found = services.server.find_resource(name)
    if found is None:
        raise _invalid(f"unknown resource template {name[:128]!r}")
    return found[0]


def _find_name(described: Prompt | Resource) -> str:
    return described.name if isinstance(described, Prompt) else described.uri


def _parse_context(exchange: Exchange) -> dict[str, str]:
    """The arguments that are settled already; a revision without them has none."""
    if exchange.version < COMPLETION_CONTEXT_SINCE:
        return {}
    arguments = exchange.get_object("context").get("arguments") or {}
    if not isinstance(arguments, dict) or not all(isinstance(one, str) for one in arguments.values()):
        raise _invalid("context.arguments must be an object of strings")
    return arguments


def _invalid(message: str) -> JsonRpcError:
    return JsonRpcError(code=INVALID_PARAMS, message=f"Invalid params: {message}")
