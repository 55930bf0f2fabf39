"""The authorization server's protocol. Knows no web framework."""
