"""What is read from a store."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import ConfigError, StoreError
from tapewire.store.asking import conditions_of, place_after, read_place, sorting_of
from tapewire.store.bulk import INT_MAX, in_utc
from tapewire.store.keeping import strategy_ids
from tapewire.store.lookups import Asks, Lookup
from tapewire.store.opening import OpenedStore
from tapewire.store.paging import page_rows
from tapewire.store.records import (
    DatasetRecord,
    GenerationRecord,
    HoldoutRecord,
    Page,
    ResultRecord,
    StrategyRecord,
    TradeRecord,
    VerdictRecord,
)
from tapewire.store.schema import (
    backtest_results,
    datasets,
    generations,
    holdout_openings,
    strategies,
    trades,
    verdicts,
)

#: Rows of a page at most.
PAGE_ROWS_MAX: Final = 10_000
#: Letters of a hash by which a strategy is found at the least.
PREFIX_LETTERS_MIN: Final = 4
_HEXADECIMAL: Final = frozenset("0123456789abcdef")


class ReadingStore(OpenedStore):
    """The half of a store that reads."""

    def datasets(self) -> list[DatasetRecord]:
        """Return all datasets, oldest first."""
        with self.reading("list datasets") as connection:
            rows = connection.execute(sa.select(datasets).order_by(datasets.c.id)).all()
        return [_dataset(row) for row in rows]

    def dataset(self, key: int | str) -> DatasetRecord:
        """Return a dataset by id or digest.

        Raises
        ------
        StoreError
            If there is none.
        """
        column = datasets.c.id if isinstance(key, int) else datasets.c.digest
        with self.reading("look a dataset up") as connection:
            row = connection.execute(sa.select(datasets).where(column == key)).one_or_none()
        if row is None:
            raise StoreError(f"{self.url}: expected a dataset, found none with {key!r}")
        return _dataset(row)

    def trial_count(self, dataset_id: int) -> int:
        """Return how often strategies were tried on a dataset, in searches and tests of all kinds.

        Those count that were not kept, and those that were deleted.
        """
        return self.dataset(dataset_id).trials

    def generations(self) -> list[GenerationRecord]:
        """Return all searches, oldest first."""
        with self.reading("list searches") as connection:
            rows = connection.execute(sa.select(generations).order_by(generations.c.id)).all()
        return [_generation(row) for row in rows]

    def generation(self, generation_id: int) -> GenerationRecord:
        """Return a search.

        Raises
        ------
        StoreError
            If there is none of this id.
        """
        with self.reading("look a search up") as connection:
            row = connection.execute(
                sa.select(generations).where(generations.c.id == generation_id)
            ).one_or_none()
        if row is None:
            raise StoreError(f"{self.url}: expected a search, found none with id {generation_id}")
        return _generation(row)

    def holdout_openings(
        self, dataset_id: int, generation_id: int | None = None
    ) -> list[HoldoutRecord]:
        """Return when a dataset's holdout was opened, by one search if that is named."""
        asked = sa.select(holdout_openings).where(holdout_openings.c.dataset_id == dataset_id)
        if generation_id is not None:
            asked = asked.where(holdout_openings.c.generation_id == generation_id)
        with self.reading("list openings of a holdout") as connection:
            rows = connection.execute(asked.order_by(holdout_openings.c.id)).all()
        return [
            HoldoutRecord(r.dataset_id, r.generation_id, r.who, r.why, in_utc(r.opened_at))
            for r in rows
        ]

    def strategies(
        self,
        sort: str = "sharpe",
        *,
        descending: bool = True,
        where: str = "",
        kind: str = "search",
        after: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Return a page of strategies, each with its latest result of a kind.

        Parameters
        ----------
        sort
            ``sharpe``, ``return``, ``drawdown``, ``trades``, ``id`` or ``name``. Strategies that
            have no result of the kind are listed by ``id`` and ``name`` only; those whose result
            has no value there come last. Ties are sorted by id, in the same direction.
        descending
            Largest first.
        where
            Conditions: see `tapewire.store.asking.conditions_of`.
        kind
            Of results.
        after
            Where the page before ended; a page begins there whatever was added since.
        limit
            Rows at most.

        Raises
        ------
        ConfigError
            If a column, condition, place or limit is none.
        """
        if not 1 <= limit <= PAGE_ROWS_MAX:
            raise ConfigError(f"limit: expected 1 to {PAGE_ROWS_MAX:,} rows, found {limit}")
        sorting = sorting_of(sort, descending=descending)
        conditions = conditions_of(where)
        place = None if after is None else read_place(after, sorting)
        # One more, to see whether there is another page.
        asked = (sorting, kind, place, limit + 1)
        if not conditions:
            with self.asking("list strategies") as ask:
                rows = page_rows(ask, *asked)
        else:
            with self.reading("list strategies") as connection:
                rows = page_rows(_narrowed(connection, conditions), *asked)
        if len(rows) <= limit:
            return Page(tuple(rows), None)
        value = getattr(rows[limit - 1], sorting.column.name)
        return Page(tuple(rows[:limit]), place_after(sorting, value, rows[limit - 1].id))

    def strategy(self, key: int | str) -> StrategyRecord:
        """Return a strategy by id, by name, or by the first letters of its hash.

        Parameters
        ----------
        key
            A number is an id. A text is a name, else an id in digits, else the beginning of a
            hash, of four letters at least.

        Raises
        ------
        StoreError
            If there is none, or several.
        """
        with self.reading("look a strategy up") as connection:
            strategy_id = self._strategy_id(connection, key)
            row = connection.execute(
                sa.select(strategies).where(strategies.c.id == strategy_id)
            ).one()
            results = _results(connection, backtest_results.c.strategy_id == strategy_id)
            of_strategy = verdicts.c.strategy_id == strategy_id
            said = _verdicts(connection, of_strategy)
        return StrategyRecord(
            row.id, row.name, row.hash, row.source_code, row.format, row.parameters,
            row.complexity_score, row.generation_id, in_utc(row.created_at), tuple(results),
            tuple(said),
        )  # fmt: skip

    def known_hashes(self, hashes: Sequence[str]) -> dict[str, int]:
        """Return hash → id of those strategies that are stored."""
        with self.reading("look strategies up") as connection:
            return strategy_ids(connection, list(hashes))

    def results(self, strategy_id: int) -> list[ResultRecord]:
        """Return a strategy's results, oldest first."""
        with self.reading("list results") as connection:
            return _results(connection, backtest_results.c.strategy_id == strategy_id)

    def trades(self, result_id: int) -> list[TradeRecord]:
        """Return a result's trades, in the order in which they were added."""
        asked = sa.select(trades).where(trades.c.backtest_result_id == result_id)
        with self.reading("list trades") as connection:
            rows = connection.execute(asked.order_by(trades.c.id)).all()
        return [TradeRecord(r.entry_time_ns, r.exit_time_ns, r.pnl, r.details) for r in rows]

    def verdicts(self, generation_id: int) -> list[VerdictRecord]:
        """Return what checks say of a search's strategies, each the last time that it was asked."""
        with self.reading("list verdicts") as connection:
            return _verdicts(connection, verdicts.c.generation_id == generation_id)

    def _strategy_id(self, connection: sa.Connection, key: int | str) -> int:
        ids = strategies.c.id
        if isinstance(key, int):
            found = list(connection.execute(sa.select(ids).where(ids == key)).scalars())
        else:
            named = sa.select(ids).where(strategies.c.name == key)
            found = list(connection.execute(named).scalars())
            if not found and key.isascii() and key.isdigit() and int(key) <= INT_MAX:
                found = list(connection.execute(sa.select(ids).where(ids == int(key))).scalars())
            if not found and len(key) >= PREFIX_LETTERS_MIN and set(key) <= _HEXADECIMAL:
                begins = (strategies.c.hash >= key) & (strategies.c.hash < f"{key}g")
                found = list(connection.execute(sa.select(ids).where(begins).limit(2)).scalars())
        if len(found) > 1:
            raise StoreError(f"{self.url}: several strategies have a hash that begins with {key}")
        if not found:
            raise StoreError(
                f"{self.url}: expected a strategy's id, name or hash, found no such: {key!r}"
            )
        return int(found[0])


def _narrowed(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> Asks:
    """Return what asks for those rows of a list that conditions are true of."""

    def ask(part: Lookup, **values: Any) -> Sequence[Any]:
        return connection.execute(part.statement.where(*conditions), values).all()

    return ask


def _dataset(row: Any) -> DatasetRecord:
    return DatasetRecord(
        row.id, row.digest, row.name, row.description, row.trials, in_utc(row.created_at)
    )


def _generation(row: Any) -> GenerationRecord:
    return GenerationRecord(
        row.id, row.settings, row.dataset_id, row.status, row.state, row.batches, row.trials,
        in_utc(row.created_at), None if row.ended_at is None else in_utc(row.ended_at),
    )  # fmt: skip


def _results(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[ResultRecord]:
    asked = sa.select(backtest_results).where(condition).order_by(backtest_results.c.id)
    return [
        ResultRecord(
            r.id, r.strategy_id, r.dataset_id, r.dataset, r.generation_id, r.kind,
            r.sharpe_ratio, r.total_return, r.max_drawdown, r.total_trades, r.metrics, r.digest,
            bool(r.is_latest), in_utc(r.tested_at),
        )
        for r in connection.execute(asked)
    ]  # fmt: skip


def _verdicts(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[VerdictRecord]:
    last: dict[tuple[Any, ...], VerdictRecord] = {}
    for r in connection.execute(sa.select(verdicts).where(condition).order_by(verdicts.c.id)):
        last[r.strategy_id, r.generation_id, r.dataset_id, r.test] = VerdictRecord(
            r.strategy_id, r.test, r.passed, r.sentence, r.figure, r.bound, r.generation_id,
            r.dataset_id, r.details, in_utc(r.created_at),
        )  # fmt: skip
    return list(last.values())
