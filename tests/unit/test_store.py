"""What a store promises, on both databases: the same tests for either."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from stores import Databases, filled, hash_of, result, strategy
from tapewire.errors import ConfigError, StoreError
from tapewire.store import NewStrategy, NewTrade, NewVerdict, Store, bulk, loading
from tapewire.store.checking import check_store
from tapewire.store.copying import copy_blocks
from tapewire.store.lookups import Lookup

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables of a store."""
    path = tmp_path_factory.mktemp("made") / "made.db"
    Store.open(str(path)).close()
    return path


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, made: Path, tmp_path: Path) -> str:
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.new()
    return str(shutil.copy(made, tmp_path / "store.db"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def ask(store: Store, statement: str) -> list[Any]:
    with store.reading("ask") as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_a_batch_is_there_with_all_that_belongs_to_it(store: Store) -> None:
    dataset_id, generation_id = filled(store, 5, batches=2)
    search = store.generation(generation_id)
    assert (search.batches, search.trials, search.state) == (2, 12, {"next": 2})
    assert (search.status, search.settings) == ("running", {"method": "random"})
    assert store.trial_count(dataset_id) == 12
    assert store.generations() == [search]
    for key in (8, "8", "drawn-00007", hash_of(7), hash_of(7)[:6]):
        assert store.strategy(key).name == "drawn-00007"
    found = store.strategy("drawn-00007")
    assert dataclasses.asdict(strategy(7)).items() <= dataclasses.asdict(found).items()
    (one,) = found.results
    assert (one.sharpe_ratio, one.total_trades, one.kind, one.dataset) == (0.7, 7, "search", "bars")
    assert (one.digest, one.is_latest, one.generation_id) == ("digest of 7", True, generation_id)
    assert store.results(found.id) == [one]
    store.end_generation(generation_id, "complete")
    assert store.generation(generation_id).status == "complete"
    assert check_store(store).faults == ()
    assert check_store(store).rows["backtest_results"] == 10


def test_a_strategy_that_is_known_is_found_and_its_newer_result_counts(store: Store) -> None:
    dataset_id, generation_id = filled(store, 3)
    again = [strategy(1, name="another name"), strategy(1), strategy(9)]
    results = [result(1, dataset_id, sharpe_ratio=5.0), result(1, dataset_id, sharpe_ratio=6.0)]
    store.save_batch(generation_id, 1, again, results, trials=3, state={})
    found = store.strategy(hash_of(1))
    assert found.name == "drawn-00001"
    assert [one.sharpe_ratio for one in found.results] == [0.1, 5.0, 6.0]
    assert [one.is_latest for one in found.results] == [False, False, True]
    rows = store.strategies("sharpe").rows
    assert [(row.id, row.sharpe_ratio) for row in rows] == [(2, 6.0), (3, 0.2), (1, 0.0)]
    assert [row.sharpe_ratio for row in store.strategies("id").rows] == [None, 0.2, 6.0, 0.0]
    assert check_store(store).faults == ()


def test_a_name_that_another_strategy_has_gets_letters_of_the_hash(store: Store) -> None:
    ids = store.add_strategies([strategy(1), strategy(2, name="drawn-00001")])
    ids += store.add_strategies([strategy(3, name="drawn-00001"), strategy(1)])
    assert ids == [1, 2, 3, 1]
    assert [store.strategy(k).name for k in (1, 2, 3)] == [
        "drawn-00001", f"drawn-00001~{hash_of(2)[:12]}", f"drawn-00001~{hash_of(3)[:12]}",
    ]  # fmt: skip


def test_nothing_is_kept_of_a_batch_that_is_refused(store: Store) -> None:
    dataset_id, generation_id = filled(store, 2)

    def save(
        number: int = 1, k: int = 5, of: int = 5, dataset: int = dataset_id, **more: Any
    ) -> None:
        fields = {"trials": 1, "state": {}, **more}
        store.save_batch(generation_id, number, [strategy(k)], [result(of, dataset)], **fields)

    refused: list[tuple[Callable[[], None], str]] = [
        (lambda: save(0), "expected batch 1 next, found 0"),
        (lambda: save(2), "expected batch 1 next, found 2"),
        (lambda: save(of=77), f"a stored strategy, found '{hash_of(77)[:8]}"),
        (lambda: save(dataset=99), "datasets: expected a stored one, found none with id 99"),
        (lambda: save(state={"x": math.nan}), "batch 1: state: expected what JSON can hold"),
        (lambda: save(state={"x": "a\0b"}), "batch 1: state: expected a text, found a NUL"),
        (lambda: save(trials=-1), "batch 1: trials: expected 0 to"),
        (lambda: store.save_batch(9, 0, [], [], trials=0, state={}), "expected a search, found"),
        (lambda: store.add_results([result(0, dataset_id, total_trades=2**31)]), "total_trades"),
        (lambda: store.add_strategies([strategy(5, name="a\0")]), "found a NUL"),
        (lambda: store.add_strategies([strategy(5, name="\ud800")]), "surrogates not allowed"),
        (lambda: store.add_strategies([strategy(5, name="")]), "name: expected one, found none"),
        (lambda: store.add_strategies([NewStrategy("XYZ", "x", "")]), "hexadecimal, found 'XYZ'"),
        (lambda: store.begin_generation({}, 9), "datasets: expected a stored one"),
        (lambda: store.end_generation(1, "over"), "expected one of complete, stopped, failed"),
        (lambda: store.add_trades(99, []), "backtest_results: expected a stored one"),
        (lambda: store.add_verdicts([NewVerdict(hash_of(77), "t", True, "s")]), "a verdict"),
        (lambda: store.open_holdout(9, None, "me", "why"), "datasets: expected a stored one"),
        (lambda: store.delete_strategies([1, 99]) and None, "strategies: expected a stored one"),
        (lambda: store.strategy("nobody") and None, "found no such: 'nobody'"),
        (lambda: store.strategy(99) and None, "found no such: 99"),
        (lambda: store.generation(9) and None, "expected a search, found none with id 9"),
    ]
    for refuse, said in refused:
        with pytest.raises(StoreError) as error:
            refuse()
        assert said in str(error.value)
    assert check_store(store).rows["strategies"] == check_store(store).rows["backtest_results"] == 2
    assert (store.generation(generation_id).batches, store.trial_count(dataset_id)) == (1, 3)
    store.end_generation(generation_id, "stopped")
    with pytest.raises(StoreError, match="search 1 is stopped: resume_generation it"):
        save()
    store.resume_generation(generation_id)
    save()
    assert store.generation(generation_id).batches == 2


def test_a_state_comes_back_letter_by_letter(store: Store) -> None:
    state = {
        "z": 1e22,
        "a": -0.0,
        "small": 5e-324,
        "m": 0.1 + 0.2,
        "big": 2**80,
        "t": "ñ→\u2028 ' \\",
    }
    _, generation_id = filled(store, 1)
    store.save_batch(generation_id, 1, [], [], trials=0, state=state)
    back = store.generation(generation_id).state
    assert repr(back) == repr(state)


def test_figures_that_are_none_or_endless(store: Store) -> None:
    dataset_id, _ = filled(store, 1)
    metrics = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": 1}
    store.add_results(
        [result(0, dataset_id, sharpe_ratio=math.nan, total_return=math.inf, metrics=metrics)]
    )
    one = store.results(1)[-1]
    assert one.metrics == {"a": None, "b": ["inf", {"c": "-inf"}], "d": 1}
    assert (one.sharpe_ratio, one.total_return) == (None, math.inf)


def test_trades_keep_their_nanoseconds_and_lie_by_month(store: Store) -> None:
    dataset_id, _ = filled(store, 1)
    (result_id,) = store.add_results([result(0, dataset_id)])
    first = 1_709_251_199_999_999_999  # 2024-02-29, the last nanosecond
    trades = [NewTrade(first, first + 1, 1.25), NewTrade(first + 1, None, None, {"lots": 2})]
    assert store.add_trades(result_id, trades) == 2
    assert store.add_trades(result_id, [NewTrade(0, 10, -1.0)]) == 1
    found = [(t.entry_time_ns, t.exit_time_ns, t.pnl, t.details) for t in store.trades(result_id)]
    assert found == [
        (first, first + 1, 1.25, None), (first + 1, None, None, {"lots": 2}), (0, 10, -1.0, None)
    ]  # fmt: skip
    times = ask(store, "SELECT CAST(entry_time AS TEXT) FROM trades ORDER BY id")
    assert next(time[:26] for (time,) in times) == "2024-02-29 23:59:59.999999"
    if not store.is_sqlite:
        by_month = "SELECT tableoid::regclass::text, count(*) FROM trades GROUP BY 1 ORDER BY 1"
        assert ask(store, by_month) == [
            ("trades_1970_01", 1), ("trades_2024_02", 1), ("trades_2024_03", 1)
        ]  # fmt: skip


def test_of_verdicts_the_last_one_counts(store: Store) -> None:
    dataset_id, generation_id = filled(store, 2)

    def verdict(k: int, passed: bool, test: str = "deflated_sharpe") -> NewVerdict:
        said = "passed" if passed else "failed: 0.61, expected at least 0.95"
        return NewVerdict(hash_of(k), test, passed, said, 0.61, 0.95, generation_id, dataset_id)

    store.add_verdicts([verdict(0, False), verdict(1, True), verdict(0, True, "min_trades")])
    store.add_verdicts([verdict(0, True)])
    said = {(one.test, one.passed) for one in store.strategy(1).verdicts}
    assert said == {("deflated_sharpe", True), ("min_trades", True)}
    assert len(store.verdicts(generation_id)) == 3
    assert store.verdicts(generation_id)[1].sentence == "passed"


def test_openings_of_a_holdout_are_counted_and_logged(store: Store) -> None:
    dataset_id, generation_id = filled(store, 1)
    assert store.open_holdout(dataset_id, generation_id, "ana", "the best ten") == 1
    assert store.open_holdout(dataset_id, None, "ben", "curious") == 2
    assert [one.who for one in store.holdout_openings(dataset_id)] == ["ana", "ben"]
    assert [one.why for one in store.holdout_openings(dataset_id, generation_id)] == [
        "the best ten"
    ]
    logged = ask(store, "SELECT who, action, subject FROM audit_log ORDER BY id")
    assert logged == [(who, "open holdout", f"dataset {dataset_id}") for who in ("ana", "ben")]


@pytest.mark.parametrize("change", ["UPDATE audit_log SET who = 'x'", "DELETE FROM audit_log"])
def test_nothing_in_the_audit_log_changes_or_goes(store: Store, change: str) -> None:
    dataset_id, _ = filled(store, 1)
    store.open_holdout(dataset_id, None, "ana", "why")
    with (
        pytest.raises(StoreError, match="rows are added, never changed or removed"),
        store.writing("forge") as connection,
    ):
        connection.execute(sa.text(change))
    assert ask(store, "SELECT who FROM audit_log") == [("ana",)]


def test_what_is_deleted_takes_along_what_is_its_own_and_no_trial(store: Store) -> None:
    dataset_id, generation_id = filled(store, 4)
    store.add_trades(store.results(4)[0].id, [NewTrade(5, 6, 1.0)])
    store.add_verdicts([NewVerdict(hash_of(3), "t", True, "s", generation_id=generation_id)])
    assert store.delete_strategies([4, 3], who="ana") == 2
    rows = check_store(store).rows
    assert [rows[t] for t in ("strategies", "backtest_results", "trades", "verdicts")] == [
        2,
        2,
        0,
        0,
    ]
    assert store.trial_count(dataset_id) == 5
    assert store.add_strategies([strategy(9)]) == [5]  # no number is given twice
    assert ask(store, "SELECT who, subject FROM audit_log") == [("ana", "2 strategies")]


def test_each_strategy_that_is_deleted_is_in_the_audit_log(store: Store) -> None:
    ids = store.add_strategies([strategy(number) for number in range(2_500)])
    assert store.delete_strategies(ids, who="ana", why="old") == 2_500
    entries = store.audit()
    assert sorted(one for entry in entries for one in entry.details["ids"]) == sorted(ids)
    assert [entry.subject for entry in entries] == [
        "500 strategies", "1000 strategies", "1000 strategies",
    ]  # fmt: skip
    assert {(entry.who, entry.action, entry.details["why"]) for entry in entries} == {
        ("ana", "delete strategies", "old")
    }


def test_tests_of_stored_strategies_are_trials_but_for_holdouts(store: Store) -> None:
    dataset_id, _ = filled(store, 2)
    other = store.add_dataset("e" * 64, {})
    assert store.add_dataset("e" * 64, {"name": "again"}) == other
    assert store.dataset(other).name == "e" * 12
    ids = store.add_results(
        [result(0, other, "test"), result(1, other, "test"), result(1, dataset_id, "holdout")]
    )
    assert ids == [3, 4, 5]
    assert (store.trial_count(other), store.trial_count(dataset_id)) == (2, 3)
    store.add_results([result(0, other, "test")], trials=40)
    assert store.dataset("e" * 64).trials == 42
    assert [one.name for one in store.datasets()] == ["bars", "e" * 12]
    kinds = {kind: len(store.strategies(kind=kind).rows) for kind in ("search", "test", "holdout")}
    assert kinds == {"search": 2, "test": 2, "holdout": 1}


def _all_results(store: Store) -> list[Any]:
    return ask(store, "SELECT id, strategy_id, dataset, sharpe_ratio, total_trades, dataset_id, "
        "generation_id, kind, is_latest, digest FROM backtest_results ORDER BY id")  # fmt: skip


def test_very_many_results_are_what_they_are_one_by_one(
    made: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_BATCH_ROWS", 3)
    monkeypatch.setattr(loading, "_KNOWN_MAX", 2)
    slowly = str(shutil.copy(made, tmp_path / "slowly.db"))
    with Store.open(slowly) as one_by_one, Store.open(url) as at_once:
        for store in (one_by_one, at_once):
            dataset_id, generation_id = filled(store, 4)
            store.add_results([result(2, dataset_id, "test")])
        # Strategy 2 has one of the kind, strategy 1 gets two; of a kind of its own three.
        given = [result(k, dataset_id, "test", digest=f"{n}") for n, k in enumerate([1, 2, 3, 1])]
        given += [result(0, dataset_id, "holdout", sharpe_ratio=x) for x in (math.nan, 1.0, 2.0)]
        for one in given:
            one_by_one.add_results([one], generation_id=generation_id)
        assert at_once.load_results(iter(given), generation_id=generation_id) == 7
        assert _all_results(at_once) == _all_results(one_by_one)
        assert at_once.trial_count(dataset_id) == one_by_one.trial_count(dataset_id) == 10
        assert check_store(at_once).faults == ()
        assert at_once.load_results([]) == 0
        assert at_once.add_results([result(0, dataset_id)]) == [13]


def test_nothing_is_kept_of_very_many_results_if_one_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_BATCH_ROWS", 2)
    dataset_id, _ = filled(store, 3)
    before, trials = _all_results(store), store.trial_count(dataset_id)
    good = [result(k, dataset_id, "test") for k in (0, 1, 2)]
    for bad, said in (
        (result(9, dataset_id), "expected the hash of a stored strategy"),
        (result(1, dataset_id + 1), "datasets: expected a stored one"),
        (result(1, dataset_id, kind="a\0b"), "found a NUL"),
        (result(1, dataset_id, metrics={"x": b"y"}), "expected what JSON can hold"),
    ):
        with pytest.raises(StoreError, match=said):
            store.load_results([*good, bad])
        assert _all_results(store) == before
    assert store.trial_count(dataset_id) == trials
    # Indexes and keys are there, as they were.
    assert check_store(store).faults == ()


def test_blocks_are_what_the_driver_would_write(databases: Databases) -> None:
    class Number(float):
        pass

    texts = [
        "",
        "plain",
        "a\tb\nc\rd",
        "\\N",
        "\\.",
        "back\\\\slash",
        "ünï ☃ 𝄞",
        '{"a": "b\\n"}',
        "\x01",
    ]
    numbers = [0.1, -0.0, 1e300, 5e-324, math.inf, -math.inf, Number(0.3), 12.0, None]
    rows = [
        (k, text, number, bool(k % 2), None if k % 3 else -(2**62) + k)
        for k, (text, number) in enumerate(zip(texts, numbers, strict=True))
    ] * 200
    address = databases.empty()
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        found = []
        for way in ("driver", "blocks"):
            cursor.execute(f"CREATE TABLE {way} (a int, b text, c float8, d bool, e bigint)")
            with cursor.copy(f"COPY {way} FROM STDIN") as copy:
                for row in rows if way == "driver" else ():
                    copy.write_row(row)
                for block in copy_blocks(rows) if way == "blocks" else ():
                    copy.write(block)
            found.append(cursor.execute(f"SELECT *, ctid FROM {way} ORDER BY ctid").fetchall())
    assert found[0] == found[1]
    assert [row[:5] for row in found[1]] == rows
    assert [math.copysign(1.0, row[2]) for row in found[1][:2]] == [1.0, -1.0]
    with pytest.raises(TypeError, match="found bytes"):
        list(copy_blocks([(b"x",)]))


@pytest.mark.parametrize(
    "value",
    [
        {}, {"a": 1.5, "b": -0.0, "c": 2**63, "d": "é\n\"", "e": True}, {"a": 1e22, "b": 1e-7},
        {"a": math.nan, "b": math.inf, "c": [-math.inf]}, {"a": None, "null": 1}, {"a": {"b": [1]}},
        {1: 2}, {"a": 2**70}, {"a": float("1e400")}, {"☃": "𝄞"},
    ],
)  # fmt: skip
def test_figures_are_written_fast_as_they_are_slowly(value: Any) -> None:
    slow = bulk.strict_json(bulk._without_nan(value), "x")
    assert repr(json.loads(bulk.figures_json(value, "x"))) == repr(json.loads(slow))


@pytest.mark.parametrize(
    "value", [{"a": b"x"}, {"a": {1}}, {"a": "\0"}, {"a": "\ud800"}, {(1,): 2}, {"a": Path("x")}]
)
def test_figures_that_are_no_json_are_refused(value: Any) -> None:
    with pytest.raises(StoreError, match="figures: expected"):
        bulk.figures_json(value, "figures")


def test_what_services_will_keep_has_its_bounds(store: Store) -> None:
    wrong = {
        "a role": "INSERT INTO users (name, password_hash, role) VALUES ('a', 'h', 'king')",
        "a state": "INSERT INTO jobs (kind, payload, content_hash, state) "
        "VALUES ('k', '{}', 'h', 'lost')",
        "an owner": "INSERT INTO keys (owner_id, name, exchange, sealing_key_id, nonce, sealed) "
        "VALUES (7, 'n', 'e', 'k', '', '')",
    }
    for what, statement in wrong.items():
        with pytest.raises(StoreError), store.writing(what) as connection:
            connection.execute(sa.text(statement))
    with store.writing("add a job") as connection:
        connection.execute(
            sa.text("INSERT INTO jobs (kind, payload, content_hash) VALUES ('k', '{}', 'h')")
        )
    assert ask(store, "SELECT state, attempt, attempts_max FROM jobs") == [("waiting", 0, 3)]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", [4, 3, 2, 1, 0]),
        ("trades > 1 and sharpe < 0.4", [3, 2]),
        ("total_trades>=3 AND total_return = -.04", [4]),
        ("trades != 2", [4, 3, 1, 0]),
        ("trades < 2.5", [2, 1, 0]),
        ("trades > 3000000000", []),
        ("complexity <= 1.5", [1, 0]),
        ("name = 'drawn-00002'", [2]),
        ("name > 'drawn-00002' and format == 'json'", [4, 3]),
        ("name = 'it''s' and generation = 1", []),
        ("drawdown > 1e-1", []),
        ("id = 2", [1]),
    ],
)
def test_what_is_asked_for_is_listed(store: Store, asked: str, names: list[int]) -> None:
    filled(store, 5)
    rows = store.strategies(where=asked).rows
    assert [row.name for row in rows] == [f"drawn-{k:05d}" for k in names]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"sort": "luck"},
            "sort: expected one of sharpe, return, drawdown, trades, id, name, found",
        ),
        (
            {"where": "luck > 1"},
            "where: expected a column of sharpe, return, drawdown, trades, data",
        ),
        ({"where": "trades >"}, "where: expected COLUMN OPERATOR VALUE, like trades > 100"),
        ({"where": "trades > 1 or id = 1"}, "where: expected and, found 'or id = 1'"),
        ({"where": "trades > 1 and"}, "where: expected COLUMN OPERATOR VALUE"),
        ({"where": "trades => 1"}, "where: trades: expected one of = != < <= > >=, found '=>'"),
        ({"where": "trades > 'x'"}, "where: trades: expected a number, found 'x'"),
        ({"where": "name = 5"}, "where: name: expected a text in quotes like 'json', found 5"),
        ({"where": "trades > 1; DROP TABLE trades"}, "where: expected and, found '; DROP"),
        ({"where": "trades > 1e999"}, "where: trades: expected a number of at most"),
        ({"where": "name = 'x"}, "where: expected COLUMN OPERATOR VALUE"),
        ({"where": "x" * 4_001}, "where: expected at most 4,000 letters"),
        ({"limit": 0}, "limit: expected 1 to 10,000 rows, found 0"),
        ({"after": "!"}, "after: expected what the page before ended with, found '!'"),
        ({"after": "WzFd"}, "after: expected what the page before ended with"),
        (
            {"after": "WyJpZCIsIHRydWUsIDEsIDFd"},
            "after: expected the place of a list that is sorted",
        ),
        ({"after": "WyJzaGFycGUiLCB0cnVlLCAieCIsIDFd"}, "after: expected what the page before"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, made: Path, arguments: Any, said: str) -> None:
    with Store.open(str(made)) as store, pytest.raises(ConfigError) as error:
        store.strategies(**arguments)
    assert str(error.value).startswith(said)


def test_pages_go_on_where_they_ended_whatever_was_added_meanwhile(store: Store) -> None:
    dataset_id, generation_id = filled(store, 6)
    first = store.strategies(limit=2)
    assert [row.total_trades for row in first.rows] == [5, 4]
    store.save_batch(
        generation_id, 1, [strategy(50), strategy(51)],
        [result(50, dataset_id), result(51, dataset_id, sharpe_ratio=0.25)], trials=2, state={},
    )  # fmt: skip
    second = store.strategies(limit=2, after=first.after)
    assert [row.total_trades for row in second.rows] == [3, 51]


@pytest.mark.parametrize("sort", ["sharpe", "return", "drawdown", "trades", "id", "name"])
@pytest.mark.parametrize("descending", [True, False])
def test_a_page_is_found_along_an_index(made: Path, sort: str, descending: bool) -> None:
    """SQLite sorts nothing, and walks no table from its beginning."""
    from tapewire.store.asking import sorting_of
    from tapewire.store.paging import page_rows

    plans: list[str] = []
    value = "n" if sort == "name" else 1
    with Store.open(str(made)) as store, store.reading("x") as connection:

        def explain(part: Lookup, **values: Any) -> list[Any]:
            asked = part.statement.params(values)
            text = str(asked.compile(connection, compile_kwargs={"literal_binds": True}))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            plans.extend(row[3] for row in rows)
            return []

        page_rows(explain, sorting_of(sort, descending=descending), "search", (value, 5), 100)
    assert plans
    assert all("SEARCH" in one for one in plans), plans
