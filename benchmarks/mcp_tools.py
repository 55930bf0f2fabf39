"""The one tool of every server under measurement, here as an omnitornado application."""

from omnitornado import MCPServer

mcp = MCPServer("benchmark", version="1.0.0")


@mcp.tool()
async def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b
