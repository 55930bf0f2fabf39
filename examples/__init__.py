"""Example applications for an omnitornado server."""
