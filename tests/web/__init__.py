"""The endpoints, each on a real server with a clock of its own."""
