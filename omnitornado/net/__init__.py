"""The network beyond this server: whose word counts on a client's address, and what may be fetched. A leaf.

`client_address` reads what proxies say; `public_address` and `web_address` decide what may be asked, and
`redirect_address` where a browser may be sent;
`guarded_fetch` asks (it alone knows Tornado); `fetched` is what comes back, and all that other rooms see.
"""

from omnitornado.net.client_address import (
    Network,
    find_client_address,
    find_client_scheme,
    is_trusted_peer,
)

__all__ = ["Network", "find_client_address", "find_client_scheme", "is_trusted_peer"]
