"""Servers behind the login: their processes and their protocol. No web framework, like `mcp/`."""
