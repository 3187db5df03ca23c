"""Which store strategies and results are kept in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tapewire.store import Store

#: In the current folder, where nothing else is said.
STORE_DEFAULT: Final = "tapewire.db"
STORE_VARIABLE: Final = "TAPEWIRE_STORE"


def store_url(given: str | None = None) -> str:
    """Return where the store is: as given, else ``TAPEWIRE_STORE``, else ``tapewire.db`` here."""
    return given or os.environ.get(STORE_VARIABLE) or STORE_DEFAULT


@contextmanager
def opened_store(given: "str | Store | None" = None, *, create: bool = False) -> "Iterator[Store]":
    """Open the store, and close it in the end; one that is open stays so.

    Parameters
    ----------
    given
        See `store_url`; or an open store.
    create
        Make one where there is none.

    Raises
    ------
    ConfigError
        If what databases take is not installed, or this is no address.
    StoreError
        If there is none, or it can't be used; see `tapewire.store.Store.open`.
    """
    if given is not None and not isinstance(given, str):
        yield given
        return
    from tapewire.store import Store

    with Store.open(store_url(given), create=create) as store:
        yield store
