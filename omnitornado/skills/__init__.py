"""A folder of Agent Skills on the disk: found, checked, read, and looked at again for changes.

What MCP says of skills stands in `omnitornado.mcp.skills`; here are the files.
"""
