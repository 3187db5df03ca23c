"""Searches and their store: what is kept, listed, shown, exported, tried, judged, gone on with."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from conftest import TapewireHere
from factories import SMALL, contents, walk, walk_file
from stores import Databases
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.rules import DeclaredStrategy, strategy_of, strategy_of_json
from tapewire.errors import ConfigError, InterruptedRunError, NoDataError, StoreError
from tapewire.factory import searching
from tapewire.factory.asked import FactorySettings, guards_of, sizes_of
from tapewire.factory.datasets import FactoryBars, read_bars
from tapewire.factory.judging import judge_generation
from tapewire.factory.keeping import new_strategies
from tapewire.factory.looking import exported, list_strategies, show_strategy
from tapewire.factory.reporting import generation_page
from tapewire.factory.searching import evolve, generate
from tapewire.factory.trying import _require_tradable, try_strategies
from tapewire.generator import GeneticSearch
from tapewire.generator.guards import Holdout
from tapewire.inputs.candles import CandleRequest
from tapewire.store import Store

GENETIC = dataclasses.replace(SMALL, method="genetic", count=40, population=8, generations=5)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> FactoryBars:
    return walk(tmp_path_factory.mktemp("bars"))


@pytest.fixture(scope="module")
def searched(bars: FactoryBars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a random search and a genetic one, to be copied by who writes to it."""
    path = tmp_path_factory.mktemp("store") / "s.db"
    generate(bars, SMALL, store=str(path), jobs=2)
    generate(bars, GENETIC, store=str(path), jobs=2, judges=False)
    return path


@pytest.fixture
def copied(searched: Path, tmp_path: Path) -> str:
    return str(shutil.copy(searched, tmp_path / "s.db"))


def test_all_of_a_search_is_kept_with_what_came_of_it(searched: Path, bars: FactoryBars) -> None:
    with Store.open(str(searched)) as store:
        record = store.generation(1)
        (dataset,) = store.datasets()
        assert (record.status, record.batches, record.trials) == ("complete", 3, 24)
        assert (dataset.digest, dataset.name) == (bars.digest, bars.name)
        assert dataset.trials == 24 + store.generation(2).trials
        rows = store.strategies("id", descending=False, where="generation = 1").rows
    assert [row.name for row in rows] == [f"g1-random-0-{k:06}" for k in range(24)]


def test_a_kept_result_is_that_of_the_engine_on_the_bars_before_the_holdout(
    searched: Path, bars: FactoryBars
) -> None:
    """A quarter of 24 days is closed: the search has the first 18."""
    one = list_strategies(limit=1, where="trades > 5", store=str(searched)).rows[0]
    shown = show_strategy(one["id"], store=str(searched))
    before = bars.candles.part(0, 18 * 96)
    declared = strategy_of_json(shown.source)
    result = run_declared(declared, DeclaredBars.of(before, [declared]))
    assert one["trades"] == result.metrics["closed_trades"]
    assert one["sharpe"] == pytest.approx(result.metrics["sharpe_annualised"])
    assert one["return"] == pytest.approx(result.metrics["total_return"])
    assert one["drawdown"] == pytest.approx(result.metrics["max_drawdown_of_peak"])


def test_neither_threads_nor_another_store_change_what_is_kept(
    searched: Path, bars: FactoryBars, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    generate(bars, SMALL, store=str(other), jobs=1)
    generate(bars, GENETIC, store=str(other), jobs=3, judges=False)
    assert contents(other) == contents(searched)


@pytest.mark.parametrize("settings", [SMALL, GENETIC])
def test_a_search_that_was_stopped_goes_on_to_what_an_unbroken_one_keeps(
    settings: FactorySettings, bars: FactoryBars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    expected = generate(bars, settings, store=str(whole), jobs=1)
    batch = searching._Generation._batch

    def stops(self: "searching._Generation", *given: object) -> None:
        if self._batches == 2:
            raise KeyboardInterrupt
        batch(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(searching._Generation, "_batch", stops)
        with pytest.raises(InterruptedRunError, match=r"after 2 batches.* evolve 1 goes on"):
            generate(bars, settings, store=str(broken), jobs=1)
    with Store.open(str(broken)) as store:
        assert (store.generation(1).status, store.generation(1).batches) == ("stopped", 2)
    found = evolve(1, store=str(broken), jobs=2)
    assert (found.digest, found.best) == (expected.digest, expected.best)
    assert contents(broken) == contents(whole)


def test_a_genetic_search_goes_on_for_longer_as_one_that_was_longer(
    copied: str, bars: FactoryBars, tmp_path: Path
) -> None:
    longer = dataclasses.replace(GENETIC, generations=7, count=56)
    other = str(tmp_path / "longer.db")
    generate(bars, SMALL, store=other, judges=False)
    expected = generate(bars, longer, store=other, judges=False)
    found = evolve(2, store=copied, generations=2, judges=False)
    assert (found.digest, found.batches) == (expected.digest, expected.batches)
    assert found.batches == 7


def test_only_what_there_is_to_go_on_with_goes_on(copied: str, bars: FactoryBars) -> None:
    with pytest.raises(ConfigError, match="generation 1: it is complete"):
        evolve(1, store=copied)
    with pytest.raises(ConfigError, match="expected more of a genetic search, found 3 of a random"):
        evolve(1, store=copied, generations=3)
    with pytest.raises(StoreError, match="none with id 9"):
        evolve(9, store=copied)
    try_strategies(bars, [1], holdout=True, store=copied)
    with Store.open(copied) as store:
        store.open_holdout(1, 2, "me", "to see")
    with pytest.raises(ConfigError, match="generation 2: its holdout was opened"):
        evolve(2, store=copied, generations=1)


def test_other_bars_under_a_name_are_refused(copied: str, bars: FactoryBars) -> None:
    path = Path(bars.description["path"])
    other = dataclasses.replace(bars, digest="0" * 64)
    with pytest.raises(ConfigError, match=r"expected the bars of dataset .*--dataset NAME"):
        generate(other, SMALL, store=copied)
    moved = walk_file(path.parent / "other.parquet", seed=2)
    with pytest.raises(ConfigError, match="expected the bars of generation 2, 2,304 bars"):
        evolve(2, store=copied, data=moved, generations=1)


def test_the_holdout_is_opened_once_and_it_is_noted(copied: str, bars: FactoryBars) -> None:
    found = try_strategies(bars, [1, 2], holdout=True, why="for the test", store=copied)
    assert (found.part, found.bars) == ("holdout", 6 * 96)
    with pytest.raises(ConfigError, match="found one that was opened 1 time"):
        try_strategies(bars, [3], holdout=True, store=copied)
    with Store.open(copied) as store:
        (opening,) = store.holdout_openings(1)
        assert (opening.why, opening.generation_id) == ("for the test", None)
        assert store.dataset(1).trials == 24 + store.generation(2).trials
    page = generation_page(Store.open(copied), 1)
    shown = show_strategy(1, store=copied)
    assert [one["kind"] for one in shown.results] == ["search", "holdout"]
    assert page.openings == 1


def test_a_test_on_the_bars_of_a_search_leaves_the_holdout_closed(
    copied: str, bars: FactoryBars
) -> None:
    found = try_strategies(bars, where="trades > 5", store=copied)
    assert (found.part, found.bars) == ("search", 18 * 96)
    searched = {row["id"]: row for row in list_strategies(limit=100, store=copied).rows}
    for row in found.rows:
        assert row["sharpe"] == searched[row["id"]]["sharpe"]
    with pytest.raises(ConfigError, match="found none of which 'trades > 9999' is true"):
        try_strategies(bars, where="trades > 9999", store=copied)


def test_verdicts_are_kept_and_told_in_words(searched: Path) -> None:
    with Store.open(str(searched)) as store:
        said = store.verdicts(1)
    assert {"trades", "costs", "deflated_sharpe", "verdict"} <= {one.test for one in said}
    assert not any(one.test.startswith("holdout") for one in said)
    final = [one for one in said if one.test == "verdict"]
    assert final
    for one in final:
        failed = [v.test for v in said if v.strategy_id == one.strategy_id and not v.passed]
        assert one.sentence.startswith(f"failed {len(failed) - 1} of 8 guards: ")


def test_with_the_holdout_all_guards_are_asked(copied: str) -> None:
    off = "trades,walk_forward,costs,deflated_sharpe,overfitting,overfitting_loss"
    guards = [f"off={off},order_drawdown,order_ruin", "candidates=2", "shuffles=39"]
    judged = judge_generation(1, holdout=True, guards=guards, store=copied, why="asked")
    assert judged.is_open
    shown = {v["test"] for v in show_strategy(judged.lines[0][0], store=copied).verdicts}
    assert {"holdout_trades", "holdout_shuffled", "verdict"} <= shown
    with Store.open(copied) as store:
        (opening,) = store.holdout_openings(1)
        assert (opening.why, opening.generation_id) == ("asked", 1)
    with pytest.raises(ConfigError, match="found one that was opened 1 time"):
        judge_generation(1, holdout=True, guards=guards, store=copied)


@pytest.mark.parametrize("form", ["json", "candles", "python", "compiled", "text"])
def test_a_strategy_is_exported_in_every_form(searched: Path, form: str) -> None:
    text = exported(1, form, store=str(searched))
    assert text.endswith("\n")
    if form == "json":
        assert strategy_of_json(text).name == "g1-random-0-000000"
    elif form != "text":
        compile(text, form, "exec")


def test_a_walk_forward_search_has_the_median_of_folds_as_fitness(
    bars: FactoryBars, tmp_path: Path
) -> None:
    path = str(tmp_path / "w.db")
    asked = dataclasses.replace(SMALL, objective="walk_forward", guards=("folds=3",))
    result = generate(bars, asked, store=path, judges=False)
    name, value = result.best[0]
    metrics = show_strategy(name, store=path).results[0]["metrics"]
    assert metrics["fitness"] == value
    assert metrics["fitness"] != metrics["sharpe_annualised"]


def test_what_is_too_short_is_searched_but_not_judged(tmp_path: Path) -> None:
    from tapewire.factory.datasets import read_bars
    from tapewire.inputs.candles import CandleRequest

    short = read_bars(walk_file(tmp_path / "b.parquet", days=6), CandleRequest(""))
    result = generate(short, SMALL, store=str(tmp_path / "s.db"))
    assert (result.judged, result.trials) == (None, 24)
    assert "expected at least 10 sessions for 5 folds" in result.not_judged


def test_sizes_and_guards_are_checked_as_they_are_typed() -> None:
    assert sizes_of("random", None, None, None) == {"count": 1_000}
    assert sizes_of("genetic", 1_000, 200, None) == {
        "count": 1_000, "population": 200, "generations": 5
    }  # fmt: skip
    assert sizes_of("genetic", None, None, None)["generations"] == 50
    for wrong, said in (
        (("random", 5, 3, None), "population: expected with method genetic only"),
        (("genetic", 5, None, 3), "expected --count or --generations"),
        (("genetic", None, 0, None), "population: expected at least 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            sizes_of(*wrong)  # type: ignore[arg-type]
    assert guards_of(["trades_min=5", "off=costs,trades", "folds=3"]).fold_fitness.folds == 3
    for text, said in (
        ("luck=1", "guard: expected KEY=VALUE, each of candidates"),
        ("judged=many", "guard: judged: expected a whole number, found 'many'"),
        ("off=luck", "off: expected some of trades"),
    ):
        with pytest.raises(ConfigError, match=said):
            guards_of([text])


# --- as it is typed -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_whole_way_as_it_is_typed(
    tapewire_here: TapewireHere, tmp_path: Path, kind: str, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if kind == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        monkeypatch.setenv("TAPEWIRE_STORE", databases.empty())
    walk_file(tmp_path / "bars.parquet")
    common = ("--timeframes", "15m,1h", "--trades-min", "3")
    done = tapewire_here("factory", "generate", "-n", 12, "-d", "bars.parquet", *common)
    assert done.returncode == 0, done.stderr
    assert "generation 1 (random) on bars.parquet 900s" in done.stdout
    assert "verdicts on the best" in done.stdout
    # Of six the fittest five stay: each generation tries one more.
    genetic = ("--method", "genetic", "--population", 6, "--generations", 2)
    done = tapewire_here(
        "factory", "generate", *genetic, "-d", "bars.parquet", *common, "--no-judge", "--json"
    )
    assert (json.loads(done.stdout)["method"], json.loads(done.stdout)["trials"]) == ("genetic", 7)
    done = tapewire_here("factory", "evolve", "2", "--generations", 1, "--no-judge", "--json")
    assert (json.loads(done.stdout)["batches"], json.loads(done.stdout)["trials"]) == (3, 8)
    done = tapewire_here("factory", "list", "--limit", 2, "--where", "trades > 0", "--json")
    page = json.loads(done.stdout)
    assert len(page["rows"]) == 2
    after = tapewire_here("factory", "list", "--limit", 100, "--after", page["after"])
    assert page["rows"][0]["name"] not in after.stdout
    done = tapewire_here("factory", "test", "1", "2", "-d", "bars.parquet")
    assert "2 strategies on 1,728 bars" in done.stdout
    assert "enter " in tapewire_here("factory", "show", "1").stdout
    done = tapewire_here("factory", "export", "1", "--as", "python", "-o", "one.py")
    assert (done.returncode, (tmp_path / "one.py").exists()) == (0, True)
    done = tapewire_here("factory", "report", "1", "-o", "page.html")
    assert "<title>Generation 1" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "tapewire.db").exists() == (kind == "sqlite")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("generate -n 2", 2, "expected bars to try strategies on (-d FILE) or a file"),
        ("generate -n 2 -d bars.parquet -o x.jsonl", 2, "found both"),
        ("generate -n 2 -d bars.parquet --indicators rsj", 2, "no indicator 'rsj'"),
        ("generate -n 2 -d bars.parquet --indicators volume", 2, "expected 2 different"),
        ("generate -n 2 -d bars.parquet --timeframes 7m", 2, "7m"),
        ("generate -n 2 -d bars.parquet --timeframes 1m,1h", 2, "bars.parquet: "),
        ("generate -n 2 -d bars.parquet --timeframes 15m,1h,20m", 2, "bars.parquet: "),
        ("generate -n 2 -d bars.parquet --timeframes 1mo", 2, "1mo"),
        ("generate -n 2 -d no.parquet", 3, "no.parquet"),
        (
            "generate -n 2 -d bars.parquet --holdout 1.5",
            2,
            "holdout_share (--holdout): expected above 0",
        ),
        ("generate -n 2 -d bars.parquet --method grammar --grammar no.bnf", 3, "no.bnf: can't be"),
        ("generate -n 2 -d bars.parquet --store postgresql://x@127.0.0.1:1/y", 7, "127.0.0.1"),
        ("generate -n 2 -d bars.parquet --store .", 7, "expected a file, found a folder"),
        ("list", 7, "expected a store, found nothing there"),
        ("list --store bars.parquet", 7, "bars.parquet"),
        ("list --store store.db --where luck=1", 2, "expected a column of sharpe"),
        ("list --store store.db --sort luck", 2, "sort: expected one of"),
        ("show 99 --store store.db", 7, "expected a strategy's id, name or hash"),
        ("export 1 --as rust --store store.db", 2, "as: expected one of json, candles"),
        ("export 1 -o bars.parquet --store store.db", 4, "there is a file already"),
        ("report 9 -o x.html --store store.db", 7, "none with id 9"),
        ("test 1 --store store.db", 2, "expected bars (-d FILE)"),
        ("test --store store.db -d bars.parquet", 2, "expected one of: IDS, --all"),
        ("test 1 --holdout --store store.db -d other.parquet", 2, "found none in the store"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence(
    tapewire_here: TapewireHere, searched: Path, tmp_path: Path, words: str, code: int, said: str
) -> None:
    walk_file(tmp_path / "bars.parquet")
    walk_file(tmp_path / "other.parquet", seed=3)
    shutil.copy(searched, tmp_path / "store.db")
    before = {path.name for path in tmp_path.iterdir()}
    done = tapewire_here("factory", *words.split())
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_store_of_another_version_is_refused_in_words(
    tapewire_here: TapewireHere, searched: Path, tmp_path: Path
) -> None:
    path = str(shutil.copy(searched, tmp_path / "old.db"))
    with Store.open(path) as store:
        store.migrate("0001")
    done = tapewire_here("factory", "list", "--store", path)
    assert done.returncode == 7
    assert "tapewire store migrate" in done.stderr


def test_a_strategy_whose_text_was_spoiled_is_named(
    tapewire_here: TapewireHere, copied: str, tmp_path: Path
) -> None:
    import sqlite3

    with sqlite3.connect(copied) as connection:
        connection.execute("UPDATE strategies SET source_code = '{}' WHERE id = 1")
    walk_file(tmp_path / "bars.parquet", seed=4)
    words = ("test", "1", "--store", copied, "-d", "bars.parquet", "--dataset", "mine")
    done = tapewire_here("factory", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: g1-random-0-000000")


def test_the_search_that_is_kept_is_the_generators_own(searched: Path) -> None:
    with Store.open(str(searched)) as store:
        state = store.generation(2).state
    search = GeneticSearch.from_state(state["search"])
    best = [name for name, _ in [(one.name, 0) for one, _ in search.best(3)]]
    with Store.open(str(searched)) as store:
        assert store.strategy(f"g2-{best[0]}").generation_id == 2


def on_close(name: str, primary: str) -> DeclaredStrategy:
    rule = {"indicator": "close", "comparison": "greater_than", "value": 1.0}
    return strategy_of(
        {"name": name, "version": "1.0", "timeframes": {"primary": primary},
         "entry_rules": {"long": rule}}
    )  # fmt: skip


def test_a_strategy_that_can_not_be_traded_leaves_the_holdout_closed(
    copied: str, bars: FactoryBars
) -> None:
    with Store.open(copied) as store:
        store.add_strategies(new_strategies([on_close("five", "5m"), on_close("day", "1d")], ""))
    with pytest.raises(ConfigError, match="5m"):
        try_strategies(bars, [1, "five"], holdout=True, store=copied)
    with Store.open(copied) as store:
        assert not store.holdout_openings(1)
    # Sessions of days are not those of quarters of an hour: each is reckoned by its own.
    found = try_strategies(bars, ["day", 1], holdout=True, store=copied)
    assert len(found.rows) == 2


def test_what_has_no_bar_before_the_holdout_may_be_traded_in_it(bars: FactoryBars) -> None:
    closed = Holdout.of(bars.candles, 0.95, bars.clock)
    with pytest.raises(NoDataError, match="no complete bar of 1w"):
        DeclaredBars.of(closed.search, [on_close("week", "1w")], bars.clock).traded("1w")
    some = [(k, name, "", on_close(name, name)) for k, name in enumerate(("1w", "1d"))]
    _require_tradable(iter([some, some[:1]]), bars, closed, SMALL, 1)


def test_code_has_the_sessions_of_the_search_that_found_it(tmp_path: Path) -> None:
    request, session = CandleRequest(""), "17:00 America/Chicago"
    bars = read_bars(walk_file(tmp_path / "bars.parquet"), request, session=session)
    path = str(tmp_path / "s.db")
    generate(bars, dataclasses.replace(SMALL, count=2, batch=2), store=path, judges=False)
    for form in ("candles", "python"):
        code = exported(1, form, store=path)
        assert code == exported(1, form, session=session, store=path)
        assert code != exported(1, form, session="00:00", store=path)
    with pytest.raises(ConfigError, match="session: expected sessions of 24 hours, UTC"):
        exported(1, "compiled", store=path)
    assert exported(1, "compiled", session="00:00", store=path)
