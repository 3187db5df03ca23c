"""What is written into a store."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.store.bulk import (
    among,
    count_of,
    figures_json,
    float_of,
    insert_rows,
    strict_json,
    text_of,
)
from tapewire.store.keeping import (
    keep_results,
    keep_strategies,
    keep_trades,
    log,
    require_known,
    strategy_ids,
    trade_row,
)
from tapewire.store.loading import load
from tapewire.store.opening import OpenedStore
from tapewire.store.records import NewResult, NewStrategy, NewTrade, NewVerdict
from tapewire.store.schema import (
    GENERATION_STATES,
    backtest_results,
    batches,
    datasets,
    generations,
    holdout_openings,
    strategies,
    verdicts,
)

#: Results of this kind are no trials: nothing was chosen by them.
HOLDOUT: Final = "holdout"
#: Strategies that one entry of the audit log names.
LOGGED_MAX: Final = 1_000


class WritingStore(OpenedStore):
    """The half of a store that writes."""

    def add_dataset(self, digest: str, description: dict[str, Any]) -> int:
        """Keep what a dataset is; one that is known keeps its number and description.

        Parameters
        ----------
        digest
            Of what it holds.
        description
            What it is; ``name``, if there is one, is what people are shown.

        Returns
        -------
        int
            Its id.
        """
        name = description.get("name") or digest[:12]
        row = {
            "digest": text_of(digest, "a dataset's digest"),
            "name": text_of(name, "a dataset's name"),
            "description": _checked(description, "a dataset's description"),
        }
        with self.writing("add a dataset") as connection:
            known = connection.execute(
                sa.select(datasets.c.id).where(datasets.c.digest == digest)
            ).scalar()
            return known if known is not None else _inserted(connection, datasets, row)

    def begin_generation(self, settings: dict[str, Any], dataset_id: int) -> int:
        """Begin a search for strategies on a dataset; return its id."""
        kept = _checked(settings, "a search's settings")
        row = {"settings": kept, "dataset_id": dataset_id, "status": "running", "state": {}}
        with self.writing("begin a search") as connection:
            require_known(connection, datasets, {dataset_id}, self.url)
            return _inserted(connection, generations, row)

    def resume_generation(self, generation_id: int) -> None:
        """Have a search that has ended run again, for more batches."""
        with self.writing("resume a search") as connection:
            require_known(connection, generations, {generation_id}, self.url)
            change = generations.update().where(generations.c.id == generation_id)
            connection.execute(change.values(status="running", ended_at=None))

    def save_batch(
        self,
        generation_id: int,
        number: int,
        new_strategies: Sequence[NewStrategy],
        results: Sequence[NewResult],
        *,
        trials: int,
        state: dict[str, Any],
    ) -> None:
        """Keep a batch of a search: all of it, or nothing.

        Parameters
        ----------
        generation_id
            A search that runs.
        number
            The batch's, from 0: how many batches of the search are stored.
        new_strategies
            To keep; one whose hash is known is found, not doubled. A name that another strategy
            has gets the first letters of its hash, behind ``~``.
        results
            Of these strategies, or of others that are known.
        trials
            How many strategies were tried for it, those not kept included: they count for the
            search and its dataset.
        state
            JSON: what the search goes on from after this batch.

        Raises
        ------
        StoreError
            If it is not the next batch, the search does not run, a result is of a strategy or
            dataset that nobody knows, or a value can't be kept.
        """
        tried = count_of(trials, f"batch {number}: trials")
        kept_state = _checked(state, f"batch {number}: state")
        with self.writing(f"save batch {number} of search {generation_id}") as connection:
            found = connection.execute(
                sa.select(generations).where(generations.c.id == generation_id)
            ).one_or_none()
            if found is None:
                raise StoreError(
                    f"{self.url}: expected a search, found none with id {generation_id}"
                )
            if found.status != "running":
                raise StoreError(
                    f"{self.url}: search {generation_id} is {found.status}: resume_generation it "
                    "before more batches are saved"
                )
            if number != found.batches:
                raise StoreError(
                    f"{self.url}: search {generation_id}: expected batch {found.batches} next, "
                    f"found {number}; does another process go on with it, too?"
                )
            ids, fresh = keep_strategies(connection, new_strategies, generation_id)
            keep_results(connection, results, generation_id, ids, self.url, fresh=fresh)
            connection.execute(
                generations.update()
                .where(generations.c.id == generation_id)
                .values(
                    batches=generations.c.batches + 1,
                    trials=generations.c.trials + tried,
                    state=kept_state,
                )
            )
            counts = {"strategies": len(ids), "results": len(results), "trials": tried}
            row = {"generation_id": generation_id, "number": number, **counts}
            connection.execute(batches.insert().values(row))
            _count_trials(connection, {found.dataset_id: tried or 0})

    def end_generation(self, generation_id: int, status: str) -> None:
        """Say how a search ended: ``complete``, ``stopped`` or ``failed``."""
        ends = [one for one in GENERATION_STATES if one != "running"]
        if status not in ends:
            raise StoreError(f"a search's end: expected one of {', '.join(ends)}, found {status!r}")
        with self.writing("end a search") as connection:
            require_known(connection, generations, {generation_id}, self.url)
            change = generations.update().where(generations.c.id == generation_id)
            connection.execute(change.values(status=status, ended_at=sa.func.current_timestamp()))

    def add_strategies(self, new_strategies: Sequence[NewStrategy]) -> list[int]:
        """Keep strategies outside of a search; return their ids, of known ones theirs."""
        with self.writing("add strategies") as connection:
            ids, _ = keep_strategies(connection, new_strategies, None)
            return [ids[one.hash] for one in new_strategies]

    def add_results(
        self,
        results: Sequence[NewResult],
        *,
        generation_id: int | None = None,
        trials: int | None = None,
    ) -> list[int]:
        """Keep results of strategies that are known.

        Parameters
        ----------
        results
            Each becomes the latest of its strategy and kind.
        generation_id
            The search that they belong to.
        trials
            How many of them count as trials on their dataset; by default all but those of kind
            ``holdout``.

        Returns
        -------
        list of int
            Their ids, in order.
        """
        tried: dict[int, int] = {}
        _add_trials(tried, results)
        if trials is not None:
            if len(tried) > 1:
                raise StoreError("trials: expected results on one dataset, found several")
            tried = dict.fromkeys(tried, count_of(trials, "trials") or 0)
        with self.writing("add results") as connection:
            if generation_id is not None:
                require_known(connection, generations, {generation_id}, self.url)
            ids = keep_results(connection, results, generation_id, {}, self.url)
            _count_trials(connection, tried)
            return ids

    def load_results(
        self, results: Iterable[NewResult], *, generation_id: int | None = None
    ) -> int:
        """Keep very many results of strategies that are known: all of them, or nothing.

        What there is afterwards is what `add_results` would have made of them. On a server it
        takes a fraction of the time for more results than are there already, as indexes are made
        anew when all are in; nobody else reads strategies or results until it is done.

        Parameters
        ----------
        results
            Taken one after the other, never together in memory. What makes them must not ask the
            same store in between.
        generation_id
            The search that they belong to.

        Returns
        -------
        int
            How many.

        Raises
        ------
        StoreError
            As `add_results`; the user of a server has to own the tables.
        """
        tried: dict[int, int] = {}
        count = 0
        with self.writing("load results") as connection:
            if generation_id is not None:
                require_known(connection, generations, {generation_id}, self.url)
            for batch in load(connection, results, generation_id, self.url):
                count += len(batch)
                _add_trials(tried, batch)
            _count_trials(connection, tried)
        return count

    def add_trades(self, result_id: int, new_trades: Iterable[NewTrade]) -> int:
        """Keep the trades of a result, return how many."""
        rows = [trade_row(result_id, one) for one in new_trades]
        with self.writing("add trades") as connection:
            require_known(connection, backtest_results, {result_id}, self.url)
            keep_trades(connection, rows)
        return len(rows)

    def add_verdicts(self, new_verdicts: Sequence[NewVerdict]) -> None:
        """Keep what checks say of strategies; earlier verdicts stay, and later ones count."""
        with self.writing("add verdicts") as connection:
            ids = strategy_ids(connection, {one.strategy_hash for one in new_verdicts})
            for table, wanted in (
                (generations, {one.generation_id for one in new_verdicts}),
                (datasets, {one.dataset_id for one in new_verdicts}),
            ):
                require_known(connection, table, {one for one in wanted if one}, self.url)
            rows = []
            for one in new_verdicts:
                if one.strategy_hash not in ids:
                    raise StoreError(f"{self.url}: a verdict: {_unknown(one.strategy_hash)}")
                rows.append((
                    ids[one.strategy_hash], one.generation_id, one.dataset_id,
                    text_of(one.test, "a verdict's test"), bool(one.passed),
                    float_of(one.figure), float_of(one.bound),
                    text_of(one.sentence, "a verdict's sentence"),
                    None if one.details is None else figures_json(one.details, "a verdict"),
                ))  # fmt: skip
            names = ("strategy_id", "generation_id", "dataset_id", "test", "passed", "figure",
                     "bound", "sentence", "details")  # fmt: skip
            insert_rows(connection, verdicts, names, rows)

    def open_holdout(self, dataset_id: int, generation_id: int | None, who: str, why: str) -> int:
        """Note that a dataset's holdout is looked at; return how often it was by now."""
        said = {"who": text_of(who, "who"), "why": text_of(why, "why")}
        row = {"dataset_id": dataset_id, "generation_id": generation_id, **said}
        with self.writing("open a holdout") as connection:
            require_known(connection, datasets, {dataset_id}, self.url)
            if generation_id is not None:
                require_known(connection, generations, {generation_id}, self.url)
            connection.execute(holdout_openings.insert().values(row))
            of_dataset = holdout_openings.c.dataset_id == dataset_id
            count = connection.execute(
                sa.select(sa.func.count()).select_from(holdout_openings).where(of_dataset)
            ).scalar_one()
            details = {"generation_id": generation_id, "why": why, "times": count}
            log(connection, who, "open holdout", f"dataset {dataset_id}", details)
            return int(count)

    def delete_strategies(self, ids: Iterable[int], *, who: str = "", why: str = "") -> int:
        """Remove strategies with their results, trades and verdicts; return how many.

        The trials that they were stay counted.

        Raises
        ------
        StoreError
            If one of them is not there; then all stay.
        """
        wanted = sorted(set(ids))
        with self.writing("delete strategies") as connection:
            require_known(connection, strategies, set(wanted), self.url)
            for first in range(0, len(wanted), 10_000):
                some = wanted[first : first + 10_000]
                gone = connection.execute(
                    strategies.delete().where(among(connection, strategies.c.id, some))
                )
                assert gone.rowcount == len(some)
            # Each is named, in as many entries as that takes.
            for first in range(0, len(wanted) or 1, LOGGED_MAX):
                some = wanted[first : first + LOGGED_MAX]
                log(connection, who, "delete strategies", f"{len(some)} strategies",
                    {"ids": some, "why": why})  # fmt: skip
        return len(wanted)


def _checked(document: dict[str, Any], what: str) -> dict[str, Any]:
    strict_json(document, what)
    return document


def _inserted(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> int:
    (found,) = connection.execute(table.insert().values(row)).inserted_primary_key or (None,)
    assert found is not None
    return int(found)


def _add_trials(tried: dict[int, int], results: Iterable[NewResult]) -> None:
    for one in results:
        tried[one.dataset_id] = tried.get(one.dataset_id, 0) + (one.kind != HOLDOUT)


def _count_trials(connection: sa.Connection, tried: dict[int, int]) -> None:
    for dataset_id, count in sorted(tried.items()):
        connection.execute(
            datasets.update()
            .where(datasets.c.id == dataset_id)
            .values(trials=datasets.c.trials + count)
        )


def _unknown(strategy_hash: str) -> str:
    return f"expected the hash of a stored strategy, found {strategy_hash[:64]!r}"
