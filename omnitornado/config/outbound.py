"""`[outbound]`: what this server may ask of others."""

from typing import Annotated

from omnitornado.config.addresses import HOST_NAME
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import array


class OutboundSettings(Settings, frozen=True):
    """`[outbound]`"""

    trusted_hosts: Annotated[
        tuple[str, ...],
        Key(
            kind=array(HOST_NAME),
            default=[],
            help="Hosts of your own network that may be asked although their addresses are not public: an "
            "identity provider, or where internal apps publish their documents. Any other host must have "
            "public addresses alone, so that no stranger can lead this server to what is behind your wall.",
        ),
    ]
