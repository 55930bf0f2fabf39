"""Implements: RFC 6749 §2.3.1 (guessing client secrets is held back): the pace at which clients may try to
prove themselves.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.throttle import ClientThrottle


@contextmanager
def proving(
    name: str, throttle: ClientThrottle, *, address: str, is_chosen: bool, now: float
) -> Iterator[None]:
    """Around the check of a proof, which raises invalid_client where it is wrong. Any other error says
    nothing of it. `is_chosen`: a person chose the secret.

    Raises: OAuthError temporarily_unavailable (429) where there have been too many wrong ones.
    """
    wait = throttle.find_wait(name, address, is_chosen=is_chosen, now=now)
    if wait > 0:
        raise OAuthError(
            code="temporarily_unavailable",
            description="too many wrong attempts to authenticate this client; try again later",
            reason="client_throttled",
            status=429,
            retry_after=math.ceil(wait),
        )
    try:
        yield
    except OAuthError as error:
        if error.code == "invalid_client":
            throttle.fail(name, address, is_chosen=is_chosen, now=now)
        raise
    throttle.succeed(name, address, is_chosen=is_chosen)
