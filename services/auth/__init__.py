"""Who somebody is and what they may do: passwords, tokens, roles, rates."""

from tapewire.services.auth.passwords import PasswordHasher, Passwords
from tapewire.services.auth.rates import Limits, RateLimiter
from tapewire.services.auth.roles import ROLES, Permission, may, permissions_of
from tapewire.services.auth.sealing import KeyRing, SealedKey
from tapewire.services.auth.shared import SharedLimiter, SharedState
from tapewire.services.auth.tokens import Claims, TokenIssuer, new_refresh_token, token_digest

__all__ = [
    "ROLES",
    "Claims",
    "KeyRing",
    "Limits",
    "PasswordHasher",
    "Passwords",
    "Permission",
    "RateLimiter",
    "SealedKey",
    "SharedLimiter",
    "SharedState",
    "TokenIssuer",
    "may",
    "new_refresh_token",
    "permissions_of",
    "token_digest",
]
