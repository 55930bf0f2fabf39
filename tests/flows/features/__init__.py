"""The list of everything an MCP server can offer, gone through by every official client in every era it
speaks.
"""
