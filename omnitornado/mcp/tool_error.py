"""What a tool raises to be read by the model.

Implements: MCP 2026-07-28 server/tools (Error Handling).
"""


class ToolError(Exception):
    """Raised by a tool: the message is shown to the model as it is."""
