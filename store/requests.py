"""Requests that may come again: what they are known by."""

import hashlib
from typing import Any, Final

from tapewire.errors import ConfigError, KeyReuseError
from tapewire.store.bulk import strict_json

#: Letters of an idempotency key.
KEY_LETTERS_MAX: Final = 128


def content_hash(kind: str, asked: dict[str, Any]) -> str:
    """Return SHA-256 of what is asked for, hexadecimal; equal requests have equal ones."""
    text = strict_json([kind, sorted_json(asked)], f"a job ({kind})")
    return hashlib.sha256(text.encode()).hexdigest()


def sorted_json(value: Any) -> Any:
    """Return a JSON value whose objects are sorted by key."""
    if isinstance(value, dict):
        return {key: sorted_json(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [sorted_json(one) for one in value]
    return value


def require_key(key: str) -> None:
    """Refuse what is no idempotency key; an empty one is none.

    Raises
    ------
    ConfigError
        If it is too long, or not printable.
    """
    if len(key) > KEY_LETTERS_MAX or not (key.isascii() and (not key or key.isprintable())):
        raise ConfigError(
            f"idempotency_key: expected at most {KEY_LETTERS_MAX} printable ASCII letters, found "
            f"{len(key):,}"
        )


def require_same(is_same: bool, key: str) -> None:
    """Refuse a key that another request had.

    Raises
    ------
    KeyReuseError
        If it had.
    """
    if not is_same:
        raise KeyReuseError(
            f"idempotency_key: {key!r} was another request's; choose a new one for a new request"
        )
