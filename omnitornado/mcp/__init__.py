"""The Model Context Protocol alone: messages, revisions, tools; no HTTP server and no OAuth."""
