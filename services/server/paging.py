"""Pages as calls ask for them."""

from typing import Final

from tapewire.errors import ConfigError

PAGE_ROWS: Final = 100
PAGE_ROWS_MAX: Final = 1_000


def page_size(asked: int) -> int:
    """Return how many rows a page shall have; 0 is the usual number.

    Raises
    ------
    ConfigError
        If it is out of bounds.
    """
    if not 0 <= asked <= PAGE_ROWS_MAX:
        raise ConfigError(f"page_size: expected 0 to {PAGE_ROWS_MAX:,}, found {asked:,}")
    return asked or PAGE_ROWS


def whole_of(token: str) -> int | None:
    """Return the id that a page token stands for; None for the first page.

    Raises
    ------
    ConfigError
        If it is no such token.
    """
    if not token:
        return None
    if not (token.isascii() and token.isdecimal() and len(token) < 19):
        raise ConfigError("page_token: expected what the page before ended with")
    return int(token)
