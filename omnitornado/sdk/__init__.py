"""Our choice: server objects of the official Python SDK and of fastmcp, served as they are, in process.

Their packages are imported in functions, and only once such an object is there: who asks for none pays for
none.
"""
