"""Implements: RFC 9449 §5, §8 and §10.1: a client's proof at an endpoint where it authenticates."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from omnitornado.oauth.dpop import Proof, ProofError, Proofs
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.errors import OAuthError

RETRY_AFTER: Final = 5
"""Seconds."""


async def check_client_proof(request: ProofRequest, proofs: Proofs, *, now: float) -> Proof:
    """The proof of a request, taken. Raises: OAuthError invalid_dpop_proof, use_dpop_nonce;
    temporarily_unavailable.
    """
    try:
        return await proofs.check(request, needs_nonce=proofs.policy.token_nonces, now=now)
    except ProofError as error:
        raise OAuthError(
            code=error.code,
            description=error.description,
            reason=error.reason,
            dpop_nonce=error.dpop_nonce,
            retry_after=RETRY_AFTER if error.code == "temporarily_unavailable" else None,
        ) from None


@contextmanager
def telling_nonce(proof: Proof | None) -> Iterator[None]:
    """Let an error that leaves this block tell the next nonce too (§8.2)."""
    try:
        yield
    except OAuthError as error:
        if proof is not None:
            error.dpop_nonce = error.dpop_nonce or proof.dpop_nonce
        raise
