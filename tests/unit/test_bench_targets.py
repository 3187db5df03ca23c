"""Targets read the rows they speak of, and say so when a row is not there."""

from tapewire.bench.measure import Row
from tapewire.bench.targets import (
    TARGETS,
    Found,
    Rows,
    Target,
    figure,
    judge,
    over,
    rate,
    seconds,
)


def row(group: str, name: str, m_per_s: float, best: float = 1.0, **figures: float) -> Row:
    """A row of a million records: its median rate, and how much faster the best run was."""
    return Row(group, name, 10**6, 1 / (m_per_s * best), 1 / m_per_s, 3, "", figures)


def found(rows: list[Row], name: str) -> Found:
    (entry,) = [entry for entry in judge(rows) if entry.target.name == name]
    return entry


def test_values_are_read_by_group_and_pattern() -> None:
    rows = Rows([row("a", "x 1.2 day", 4.0), row("b", "x 1.2 day", 2.0, p99_us=7.0)])
    assert rate("b", "x * day")(rows) == 2.0
    assert rate("b", "x * night")(rows) is None
    assert seconds("a", "x*")(rows) == 0.25
    assert figure("b", "*", "p99_us")(rows) == 7.0
    assert figure("a", "*", "p99_us")(rows) is None
    assert over(rate("a", "*"), rate("b", "*"))(rows) == 2.0
    assert over(rate("a", "*"), rate("c", "*"))(rows) is None


def test_the_first_row_that_matches_counts_and_only_whole_names_do() -> None:
    rows = Rows([row("rival", "h 2 maker, all", 1.0), row("rival", "h 2 maker", 3.0)])
    assert rate("rival", "h * maker")(rows) == 3.0
    assert rate("rival", "h * maker*")(rows) == 1.0


def test_the_median_decides_and_the_best_stands_beside_it() -> None:
    entry = found([row("stage", "loop, no strategy", 24.0, best=1.25)], "loop without a strategy")
    assert (round(entry.median or 0, 6), round(entry.best or 0, 6)) == (24.0, 30.0)
    assert entry.met is False
    assert entry.verdict == "not met"
    entry = found([row("stage", "loop, no strategy", 25.5)], "loop without a strategy")
    assert entry.verdict == "met"
    assert entry.to_dict()["wanted"] == "≥ 25 M records/s"


def test_an_upper_bound_is_not_met_by_more() -> None:
    target = Target("t", 2, "s", seconds("start", "warm"), at_least=False)
    assert Found(target, 1.9, 1.9).met is True
    assert Found(target, 2.0, 1.0).met is False
    assert target.wanted == "< 2 s"


def test_a_row_that_is_not_there_is_not_measured() -> None:
    entries = judge([row("stage", "book only", 40.0)])
    assert len(entries) == len(TARGETS) > 9
    assert {entry.verdict for entry in entries} == {"not measured"}
    assert all(entry.to_dict()["median"] is None for entry in entries)


def test_shares_and_costs_of_one_run() -> None:
    rows = [
        row("stage", "book only", 40.0),
        row("limit", "zstd decompression alone", 16.0),
        row("end to end", ".dbn, two processes, inline", 1.0),
        row("end to end", ".dbn, two processes, shared memory", 26.0),
        row("end to end", ".dbn.zst, two processes, shared memory", 12.0),
        row("variants", "1 variant, one pass", 20.0),
        row("variants", "10 variants, one pass", 9.0),
        row("variants", "100 variants, one pass", 2.0),
        row("tapewire", "run, .dbn, two processes, synthetic", 24.0),
        row("tapewire", "run, .dbn, two processes, ESH4", 2.0),
        row("rival", "hftbacktest 2.4.4 market maker, quotes on every feed, synthetic", 9.0),
        row("rival", "hftbacktest 2.4.4 market maker, synthetic", 3.0),
        row("rival, with loading", "hftbacktest 2.4.4 market maker, synthetic", 1.0),
        row("rival", "NautilusTrader 1.231.0 market maker, synthetic, first 200,000", 0.05),
    ]
    values = {
        entry.target.name: round(entry.median or 0, 6)
        for entry in judge(rows)
        if entry.median is not None
    }
    assert values == {
        "end to end, .dbn, two processes": 26.0,
        "end to end, share of book only": 0.65,
        "end to end, .dbn.zst, share of zstd decompression alone": 0.75,
        "a hundred variants, cost of one": 10.0,
        "hftbacktest, the same market maker": 8.0,
        "NautilusTrader, the same market maker": 480.0,
    }
