"""Servers behind the login, without HTTP: their processes, and their protocol."""
