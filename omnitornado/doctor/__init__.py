"""Our choice: what a remote client would see of a running server, and what it would trip over.

A room by itself that speaks HTTP alone: it judges a server, this one too, by what comes over the network.
`clients` holds what each client does, as data; `walker` asks; `checks_…` judge what came, as pure functions;
`report` writes it down.
"""
