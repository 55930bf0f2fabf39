"""An MCP server over stdio that does what it is told, however wrong: each tool is a misbehaviour.

Run as a child: `python hostile.py [option…]`. It needs nothing but Python.
"""

import json
import os
import signal
import sys
import time
from typing import Any

OPTIONS = set(sys.argv[1:])
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


def write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def send(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode())


def receive() -> Any:
    line = sys.stdin.buffer.readline()
    if not line:
        if "stubborn" in OPTIONS:
            time.sleep(1000)
        sys.exit(0)
    return json.loads(line)


def answer(request: Any, text: object, **more: Any) -> None:
    send(id=request["id"], result={"content": [{"type": "text", "text": str(text)}], **more})


def call(request: Any, name: str, arguments: Any) -> None:
    if name == "echo":
        answer(request, arguments.get("text", ""))
    elif name == "pid":
        answer(request, os.getpid())
    elif name == "meta":
        answer(request, json.dumps(request["params"].get("_meta", {})))
    elif name == "environment":
        answer(request, json.dumps(dict(os.environ)))
    elif name == "params":
        answer(request, json.dumps(request["params"]))
    elif name == "die":
        os._exit(3)
    elif name == "killed":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name == "garbage":
        for _ in range(10_000):
            write(b"\x1b[31mnot json \xff\xfe")
    elif name == "chatter":
        write(b"Hello from a server that greets its terminal")
        answer(request, "and answers")
    elif name == "no_end":
        for _ in range(1000):
            sys.stdout.buffer.write(b"x" * (1 << 16))
    elif name == "large":
        answer(request, "x" * int(arguments["size"]))
    elif name == "flood":
        while True:
            send(method="notifications/message", params={"level": "info", "data": "x"})
    elif name == "close_output":
        os.close(1)
        time.sleep(1000)
    elif name == "deaf":
        time.sleep(1000)
    elif name == "stderr":
        for number in range(int(arguments["lines"])):
            sys.stderr.write(f"line {number} \x1b[31m\n")
        sys.stderr.flush()
        answer(request, "said")
    elif name == "twice":
        send(id=999_999, result={})
        answer(request, "first")
        answer(request, "second")
    elif name == "no_object":
        send(id=request["id"], result=["a", "list"])
    elif name == "bad_error":
        send(id=request["id"], error={"code": "x", "message": 7})
    elif name == "error":
        send(id=request["id"], error={"code": -32042, "message": "of its own", "data": {"why": "so"}})
    elif name == "fail":
        answer(request, "it failed", isError=True)
    elif name == "progress":
        token = request["params"]["_meta"].get("progressToken")
        for step in (1, 2, 3):
            send(method="notifications/progress", params={"progressToken": token, "progress": step})
        send(method="notifications/progress", params={"progressToken": "nobody's", "progress": 9})
        answer(request, token)
    elif name == "log":
        for level in ("debug", "info", "error"):
            send(method="notifications/message", params={"level": level, "data": level})
        send(method="notifications/com.example/own", params={"x": 1})
        answer(request, "logged")
    elif name == "changed":
        send(method="notifications/tools/list_changed")
        send(method="notifications/resources/updated", params={"uri": arguments["uri"]})
        answer(request, "told")
    elif name in ("ask", "sample", "roots"):
        ask(request, name, arguments)
    elif name == "hang":
        pass
    else:
        send(id=request["id"], error={"code": -32602, "message": f"Unknown tool: {name}"})


QUESTIONS: dict[str, tuple[str, Any]] = {
    "ask": (
        "elicitation/create",
        {
            "message": "Your name?",
            "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    ),
    "sample": (
        "sampling/createMessage",
        {"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}], "maxTokens": 9},
    ),
    "roots": ("roots/list", {}),
}


def ask(request: Any, name: str, arguments: Any) -> None:
    method, params = QUESTIONS[name]
    if "modern" in OPTIONS:
        ask_by_the_end(request, method, params, int(arguments.get("times", 1)))
        return
    ids = [f"q-{number}" for number in range(int(arguments.get("times", 1)))]
    if arguments.get("together"):
        asked = [{"jsonrpc": "2.0", "id": one, "method": method, "params": params} for one in ids]
        write(b"\n".join(json.dumps(one).encode() for one in asked))  # at once, so that they come at once
    answers = []
    for one in ids:
        if not arguments.get("together"):
            send(id=one, method=method, params=params)
        answers.append(wait_for(one))
    answer(request, json.dumps(answers))


def ask_by_the_end(request: Any, method: str, params: Any, times: int) -> None:
    """As a server of the stateless era: what was answered so far goes through the client."""
    given = request["params"]
    answers = json.loads(given.get("requestState", "[]")) + list(given.get("inputResponses", {}).values())
    if len(answers) >= times:
        answer(request, json.dumps(answers), resultType="complete")
        return
    question = {"method": method, "params": params}
    result = {
        "resultType": "input_required",
        "inputRequests": {"q": question},
        "requestState": json.dumps(answers),
    }
    send(id=request["id"], result=result)


def wait_for(question: str) -> Any:
    while True:
        message = receive()
        if message.get("id") == question and "method" not in message:
            return message.get("result", message.get("error"))
        take(message)


CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True},
    "logging": {},
    "com.example/own": {"x": 1},
}
SERVER_INFO = {"name": "hostile", "version": "1", "x": "kept"}
LISTENING: list[Any] = []
CANCELLED: list[Any] = []
LEVELS: list[str] = []
SUBSCRIPTIONS: list[str] = []


def take(message: Any) -> None:
    method, params = message.get("method"), message.get("params", {})
    if method == "notifications/cancelled":
        CANCELLED.append(params)
    if method == "notifications/cancelled" and params.get("requestId") in LISTENING:
        LISTENING.remove(params["requestId"])
    if method is None or "id" not in message:
        return
    if method == "server/discover" and OPTIONS & {"modern", "dual"}:
        result = {
            "supportedVersions": ["2026-07-28"],
            "capabilities": CAPABILITIES,
            "instructions": "Beware.",
            "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
        }
        send(id=message["id"], result=result)
    elif method == "subscriptions/listen" and "modern" in OPTIONS:
        LISTENING.append(message["id"])
        wanted = dict(params["notifications"])
        SUBSCRIPTIONS[:] = [uri for uri in wanted.get("resourceSubscriptions", []) if uri != "x:unknown"]
        wanted["resourceSubscriptions"] = SUBSCRIPTIONS
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        send(
            method="notifications/subscriptions/acknowledged", params={"notifications": wanted, "_meta": meta}
        )
    elif method == "initialize" and not OPTIONS & {"modern", "neither"}:
        version = params["protocolVersion"]
        result = {
            "protocolVersion": "1999-01-01" if "old" in OPTIONS else version,
            "capabilities": {**CAPABILITIES, "tasks": {}},
            "serverInfo": SERVER_INFO,
            "instructions": "Beware.",
        }
        if "silent" not in OPTIONS:
            send(id=message["id"], result=result)
    elif method == "tools/call":
        call(message, params["name"], params.get("arguments", {}))
    elif method == "tools/list":
        tools = [{"name": "echo", "inputSchema": {"type": "object"}, "x-own": [1]}]
        send(id=message["id"], result={"tools": tools, "nextCursor": "more", "own": True})
    elif method == "resources/read":
        send(id=message["id"], error={"code": -32002, "message": "Resource not found"})
    elif method == "logging/setLevel":
        LEVELS.append(params["level"])
        send(id=message["id"], result={})
    elif method == "resources/subscribe":
        SUBSCRIPTIONS.append(params["uri"])
        send(id=message["id"], result={})
    elif method == "resources/unsubscribe":
        SUBSCRIPTIONS.remove(params["uri"])
        send(id=message["id"], result={})
    elif method == "com.example/state":
        state: dict[str, Any] = {
            "cancelled": CANCELLED,
            "levels": LEVELS,
            "subscriptions": SUBSCRIPTIONS,
            "params": params,
            "listening": len(LISTENING),
        }
        send(id=message["id"], result=state)
    else:
        send(id=message["id"], error={"code": -32601, "message": "Method not found"})


def main() -> None:
    if "stubborn" in OPTIONS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "exit" in OPTIONS:
        sys.exit(7)
    while True:
        take(receive())


if __name__ == "__main__":
    main()
