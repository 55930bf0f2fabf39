"""Tornado RequestHandlers, one file for each endpoint."""
