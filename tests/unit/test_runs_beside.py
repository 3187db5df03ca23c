"""Runs side by side: listed, and compared."""

import pytest

from analytics_rows import E9, Book, FakeLeg
from analytics_runs import run_of
from tapewire.analytics.compare import compare, difference_rows, render_comparison, text_rows
from tapewire.errors import ConfigError, MissingFileError
from tapewire.runs.listing import as_table, list_runs

P = 4800 * E9


def three(tmp_path):
    """Three runs: one that won, one that lost, one in another instrument."""
    folder = tmp_path / "runs"
    won = run_of(folder / "won", Book(FakeLeg()).fill(1, P).fill(-1, P + E9).sample(P))
    lost = run_of(folder / "lost", Book(FakeLeg()).fill(1, P).fill(-1, P - E9).sample(P))
    leg = FakeLeg(strategy_id="taker", symbol="NQH4", multiplier_num=20)
    other = run_of(folder / "other", Book(leg).fill(1, P).fill(-1, P).sample(P))
    return folder, (won, lost, other)


def names(runs):
    return [run.run.rsplit("/runs/", 1)[1].split("/")[0] for run in runs]


def folders(runs):
    return sorted({run.path.parent for run in runs})


def test_runs_are_listed_filtered_and_sorted(tmp_path):
    _, runs = three(tmp_path)
    there = folders(runs)
    assert names(list_runs(there, sort="net_pnl")) == ["won", "other", "lost"]
    # What costs is best where it is least.
    assert names(list_runs(there, sort="max_drawdown"))[-1] == "lost"
    assert names(list_runs(there, sort="largest_loss"))[-1] == "lost"
    assert names(list_runs(there, symbols=["NQH4"])) == ["other"]
    assert set(names(list_runs(there, strategies=["maker"]))) == {"won", "lost"}
    assert list_runs(there, statuses=["failed"]) == []
    one = list_runs(there, symbols=["NQH4"])[0]
    assert (one.status, one.strategies, one.metrics["fills"]) == ("complete", ("taker",), 2)
    assert "NQH4" in as_table(list_runs(there))


def test_a_folder_that_is_a_run_is_listed_itself(tmp_path):
    _, (won, *_) = three(tmp_path)
    assert [run.run for run in list_runs([won.path])] == [str(won.path)]


def test_a_broken_run_is_listed_as_one(tmp_path):
    _, (won, *_) = three(tmp_path)
    (won.path / "manifest.json").write_text("{")
    run = list_runs([won.path])[0]
    assert run.status == "unreadable"
    assert "expected JSON" in run.reason
    assert "unreadable: expected JSON" in as_table([run])


def test_wrong_ways_are_refused_in_a_sentence(tmp_path):
    _, runs = three(tmp_path)
    with pytest.raises(MissingFileError, match="found none at"):
        list_runs([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="tapewire run makes one"):
        list_runs([tmp_path / "empty"])
    with pytest.raises(ConfigError, match="did you mean 'net_pnl'"):
        list_runs(folders(runs), sort="net_pn")
    with pytest.raises(ConfigError, match=r"status: expected one of complete, .*found 'fine'"):
        list_runs(folders(runs), statuses=["fine"])


def test_what_differs_is_shown_and_only_that(tmp_path):
    _, (won, lost, _) = three(tmp_path)
    won.manifest["config"] = {
        "backtest": {"seed": 1, "same": 2},
        "strategy": [{"name": "a", "x": 1}],
    }
    lost.manifest["config"] = {"backtest": {"seed": 3, "same": 2}, "strategy": [{"name": "a"}]}
    found = compare([won, lost])
    assert found.differences == {"backtest.seed": (1, 3), "strategy[a].x": (1, "not there")}
    assert ("Net P&L", "50.00", "−50.00") in text_rows(found)
    assert ("backtest.seed", "1", "3") in difference_rows(found)
    assert [label for label, *_ in text_rows(found)].count("CAGR") == 0  # nobody has one
    page = render_comparison(found)
    assert '<td class="text wrap">not there</td>' in page


def test_a_run_beside_itself_is_the_same(tmp_path):
    _, (won, *_) = three(tmp_path)
    found = compare([won, won])
    assert found.same_digest
    assert found.same_inputs
    assert found.differences == {}


def test_names_are_text_never_markup(tmp_path):
    leg = FakeLeg(strategy_id="<img src=x onerror=alert(1)>")
    run = run_of(tmp_path / "r&<b>", Book(leg).fill(1, P).sample(P))
    page = render_comparison(compare([run, run]))
    assert "<img src=x" not in page
    assert "<b>" not in page.split("<script", 1)[0]
