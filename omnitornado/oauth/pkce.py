"""Implements: RFC 7636 §4.1 to §4.6, with S256 alone as OAuth 2.1 §7.5.2 allows: `plain` and an absent
challenge are refused.
"""

import hashlib
import hmac
import re
from typing import Final

from omnitornado.base64url import encode
from omnitornado.oauth.errors import OAuthError, ValidatedRedirect

CODE_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
"""RFC 7636 §4.1 code-verifier."""
S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9\-_]{43}")
"""RFC 7636 §4.2: the unpadded base64url of 32 bytes."""


def check_challenge(challenge: str | None, method: str | None, *, redirect: ValidatedRedirect) -> str:
    """The S256 challenge of an authorization request. Raises: OAuthError invalid_request."""
    if challenge is None:
        description, reason = "code_challenge is required (PKCE with S256)", "pkce_missing"
    elif method != "S256":
        # An absent method means "plain" (RFC 7636 §4.3).
        description, reason = "code_challenge_method must be S256", "pkce_plain"
    elif not S256_CHALLENGE.fullmatch(challenge):
        description, reason = "code_challenge is not an S256 challenge", "pkce_malformed"
    else:
        return challenge
    raise OAuthError(code="invalid_request", description=description, reason=reason, redirect=redirect)


def check_verifier(verifier: str | None, challenge: str) -> None:
    """Raises: OAuthError invalid_request when absent or malformed, invalid_grant when it does not match
    (§4.6).
    """
    if verifier is None:
        raise OAuthError(
            code="invalid_request", description="code_verifier is missing", reason="pkce_verifier_missing"
        )
    if not CODE_VERIFIER.fullmatch(verifier):
        raise OAuthError(
            code="invalid_grant", description="code_verifier is malformed", reason="pkce_verifier_malformed"
        )
    computed = encode(hashlib.sha256(verifier.encode("ascii")).digest())
    if not hmac.compare_digest(computed, challenge):
        raise OAuthError(
            code="invalid_grant",
            description="code_verifier does not match the challenge",
            reason="pkce_mismatch",
        )
