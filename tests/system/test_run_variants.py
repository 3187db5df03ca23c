"""A grid in one pass over the data: each variant is what it would be alone."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tapewire as tw
from tapewire.errors import MissingFileError

GRID = [
    {
        "type": "sma_crossover",
        "name": "grid",
        "parameters": {"fast_period": [3, 5], "slow_period": [9, 30], "position_size": 2},
    },
    {"type": "market_maker", "name": "mm", "variants": [{"quantity": 1}, {"quantity": 3}]},
    {"type": "market_maker", "name": "alone"},
]
#: What is drawn at random goes by the name of a strategy.
LATENCY = {"backtest.execution.latency_model": {"type": "uniform"}}


@pytest.fixture(scope="module")
def result(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    return tw.run(
        synthetic_file,
        strategies=GRID,
        overrides=LATENCY,
        output=tmp_path_factory.mktemp("grid") / "out",
    )


def test_each_variant_is_what_it_is_alone(
    result: tw.RunResult, synthetic_file: Path, tmp_path: Path
) -> None:
    digests = result.manifest["digests"]
    assert list(digests) == ["grid.1", "grid.2", "grid.3", "grid.4", "mm.1", "mm.2", "alone"]
    assert len(set(digests.values())) == len(digests)
    for name, kind, parameters in (
        ("grid.3", "sma_crossover", {"fast_period": 5, "slow_period": 9, "position_size": 2}),
        ("mm.2", "market_maker", {"quantity": 3}),
    ):
        entry = {"type": kind, "name": name, "parameters": parameters}
        alone = tw.run(synthetic_file, strategies=entry, overrides=LATENCY, output=tmp_path / name)
        assert alone.manifest["digests"] == {name: digests[name]}


def test_the_table_of_variants_has_a_row_for_each(result: tw.RunResult) -> None:
    rows = {row["strategy_id"]: row for row in result.variants.to_pylist()}
    assert list(rows) == ["grid.1", "grid.2", "grid.3", "grid.4", "mm.1", "mm.2"]
    assert [rows[f"grid.{k}"]["slow_period"] for k in (1, 2, 3, 4)] == [9, 30, 9, 30]
    assert rows["grid.1"]["quantity"] is None
    assert rows["mm.2"]["quantity"] == 3
    assert rows["mm.2"]["variant_of"] == "mm"
    metrics = {m["strategy_id"]: m for m in result.metrics.to_pylist() if m["scope"] == "strategy"}
    for name, row in rows.items():
        assert row["digest"] == result.manifest["digests"][name]
        for column in ("net_pnl", "fills", "max_drawdown", "volume"):
            assert row[column] == metrics[name][column]
    assert pq.read_schema(result.path / "variants.parquet").field("fast_period").nullable


def test_the_report_and_the_summary_show_them_best_first(result: tw.RunResult) -> None:
    from tapewire.cli.display import summary

    rows = sorted(result.variants.to_pylist(), key=lambda row: -row["net_pnl"])
    names = [row["strategy_id"] for row in rows]
    page = result.report.read_text()
    table = page[page.index("<h2>Variants</h2>") : page.index("<h2>Metrics</h2>")]
    assert 'class="sortable"' in table
    assert sorted(names, key=table.index) == names
    lines = summary(result).splitlines()
    told = [line.split()[0] for line in lines if line]
    assert [name for name in told if name in names] == names
    assert told[:2] == ["strategy", "alone"]


def test_the_same_grid_again_is_the_same_run(result: tw.RunResult, tmp_path: Path) -> None:
    again = tw.run(result.path / "config.yaml", output=tmp_path / "again")
    assert again.digest == result.digest
    text = (result.path / "manifest.json").read_text()
    assert json.loads(text)["config"]["strategy"][0]["parameters"]["fast_period"] == [3, 5]


def test_a_run_without_a_grid_has_no_such_table(synthetic_file: Path, tmp_path: Path) -> None:
    plain = tw.run(synthetic_file, strategies="market_maker", output=tmp_path / "plain")
    assert not (plain.path / "variants.parquet").exists()
    assert "variants" not in plain.manifest
    with pytest.raises(MissingFileError, match="one value for each parameter"):
        _ = plain.variants
