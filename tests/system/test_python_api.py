"""``tapewire.run`` and its result, as a notebook uses them."""

import datetime
import inspect
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tapewire as tw
from tapewire.analytics.equity import equity_line
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, MissingFileError
from tapewire.replay.synth import synthesize
from tapewire.runs import api

CET = datetime.timezone(datetime.timedelta(hours=1))
NS = 1_709_562_630_123_456_789


@pytest.fixture(scope="module")
def result(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    """Both examples over the small session, with what a notebook would change."""
    return tw.run(
        synthetic_file,
        strategies=["market_maker", "sma_crossover"],
        instruments={"TWA1": {"tick_size": 0.25, "multiplier": 50}},
        overrides={
            "backtest.risk_limits.max_position": 700,
            "backtest.execution.fees.per_contract": 1,
        },
        seed=np.int64(3),
        transport="inproc",
        output=tmp_path_factory.mktemp("api") / "out",
    )


# --- what a run takes -------------------------------------------------------------------------


def test_a_file_and_keywords(result: tw.RunResult, synthetic_file: Path) -> None:
    backtest = result.manifest["config"]["backtest"]
    assert backtest["data_source"]["files"] == [str(synthetic_file)]
    assert backtest["seed"] == 3
    assert backtest["risk_limits"]["max_position"] == 700
    assert backtest["instruments"]["TWA1"]["multiplier"] == 50
    assert set(result.manifest["digests"]) == {"market_maker", "sma_crossover"}
    assert all(leg["multiplier_num"] == 50 for leg in result.manifest["legs"])


def test_the_run_folders_configuration_has_every_parameter_in_force(
    result: tw.RunResult, tmp_path: Path
) -> None:
    from tapewire.strategies import STRATEGIES

    config = tw.load_config(result.path / "config.yaml")
    for strategy in config.strategy:
        assert set(strategy.parameters) == set(STRATEGIES[strategy.type].parameters)
    again = tw.run(result.path / "config.yaml", output=tmp_path / "again")
    assert again.digest == result.digest
    assert (again.path / "config.yaml").read_bytes() == (result.path / "config.yaml").read_bytes()


def test_a_list_of_files_whole_entries_and_a_window(tmp_path: Path, synthetic_file: Path) -> None:
    other = tmp_path / "other.dbn"
    synthesize(other, events=3_000, instruments=1, seed=9)
    quick = {"type": "sma_crossover", "name": "quick", "parameters": {"fast_period": 3}}
    result = tw.run(
        [synthetic_file, str(other)],
        strategies=quick,
        symbols="TWA1",
        start=pd.Timestamp("2024-03-04 14:30:10"),
        end=datetime.datetime(
            2024, 3, 4, 15, 31, tzinfo=datetime.timezone(datetime.timedelta(hours=1))
        ),
        transport="inproc",
        output=tmp_path / "out",
    )
    config = result.manifest["config"]
    assert len(config["backtest"]["data_source"]["files"]) == 2
    start_ns, end_ns = (config["backtest"]["data_source"][key] for key in ("start", "end"))
    assert (end_ns - start_ns) / 1e9 == 50
    assert [s["name"] for s in config["strategy"]] == ["quick"]
    assert config["strategy"][0]["parameters"]["fast_period"] == 3


def request_of(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **named: Any) -> RunConfig:
    """What would be run."""
    seen: list[RunConfig] = []
    monkeypatch.setattr(api, "run_checked", lambda config, **_: seen.append(config))
    tw.run(*arguments, **named)
    return seen[0]


def test_a_checked_configuration_takes_keywords_too(
    monkeypatch: pytest.MonkeyPatch, synthetic_file: Path
) -> None:
    first = request_of(monkeypatch, files=synthetic_file, strategies="market_maker")
    assert request_of(monkeypatch, first) == first
    changed = request_of(
        monkeypatch, first, seed=5, overrides={"strategy.market_maker.name": "mine"}
    )
    assert changed.backtest.seed == 5
    assert [s.name for s in changed.strategy] == ["mine"]
    assert request_of(monkeypatch, changed, strategies=("mine",)) == changed


@pytest.mark.parametrize(
    "moment",
    [
        NS,
        np.int64(NS),
        "2024-03-04T14:30:30.123456789Z",
        np.datetime64(NS, "ns"),
        pd.Timestamp(NS),
        pd.Timestamp(NS, tz="America/Chicago"),
    ],
)
def test_moments_of_every_kind_keep_their_nanoseconds(
    monkeypatch: pytest.MonkeyPatch, moment: Any
) -> None:
    config = request_of(monkeypatch, ["a.dbn"], start=moment)
    assert config.backtest.data_source.start == NS  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("moment", "ns"),
    [
        (datetime.datetime(2024, 3, 4, 14, 30, 30, 123456), NS - 789),  # noqa: DTZ001
        (datetime.date(2024, 3, 4), NS // (86_400 * 10**9) * 86_400 * 10**9),
        (np.datetime64("2024-03-04T14:30:30"), NS - 123_456_789),
    ],
)
def test_moments_without_a_zone_are_utc(
    monkeypatch: pytest.MonkeyPatch, moment: Any, ns: int
) -> None:
    config = request_of(monkeypatch, ["a.dbn"], start=moment)
    assert config.backtest.data_source.start == ns  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("speed", "factor"), [("max", None), (10, 10.0), (2.5, 2.5), ("4x", 4.0), (np.float64(3), 3.0)]
)
def test_speeds(monkeypatch: pytest.MonkeyPatch, speed: Any, factor: float | None) -> None:
    assert request_of(monkeypatch, speed=speed).backtest.replay.speed_factor == factor


def test_keys_of_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    config = request_of(
        monkeypatch,
        "a.dbn",
        overrides={
            "strategy[1].name": "second",
            "strategy.market_maker.parameters": {"quantity": np.int64(2)},
            ("backtest", "instruments", "BRK.B"): {"tick_size": np.float64(0.01)},
            "backtest.output.sample_interval_s": 60,
        },
    )
    assert [s.name for s in config.strategy] == ["market_maker", "second"]
    assert config.strategy[0].parameters["quantity"] == 2
    assert "BRK.B" in config.backtest.instruments
    assert config.backtest.output.sample_interval_ns == 60 * 10**9


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"config": 5}, "config: expected a configuration, or data: a path or a list of paths, foun"),
    ({"config": ["a.dbn", 5]}, "config[1]: expected a path, found 5"),
    ({"config": "a.dbn", "files": "b.dbn"}, "files: expected none besides a.dbn; give all of them"),
    ({"files": {"a": 1}}, "files: expected a path or a list of paths, found a mapping"),
    ({"config": "a.dbn", "connect": "tcp://127.0.0.1:1"}, "connect: expected no data files"),
    ({"strategies": 5}, "strategies: expected the name, type or entry of a strategy, or a list, f"),
    ({"strategies": []}, "strategies: expected at least one, found none"),
    ({"strategies": [RunConfig]}, "strategies[0]: expected the name, type or entry of a strategy"),
    ({"strategies": "market_makr"}, "unknown strategy 'market_makr', did you mean 'market_maker'?"),
    (
        {"strategies": [{"type": "market_maker", "parameters": {"quantty": 2}}]},
        "strategies[0].parameters.quantty: market_maker has no such parameter, did you mean 'quan",
    ),
    ({"config": "a.dbn", "symbols": 5}, "symbols: expected a list, found 5"),
    ({"config": "a.dbn", "symbols": ["A", 5.5]}, "symbols[1]: expected "),
    ({"config": "a.dbn", "start": "monday"}, "start: expected a time: ISO 8601"),
    ({"config": "a.dbn", "start": pd.NaT}, "start: expected a time: ISO 8601"),
    ({"config": "a.dbn", "start": object()}, "start: expected a time: ISO 8601"),
    ({"config": "a.dbn", "end": np.datetime64("NaT")}, "end: expected a time: ISO 8601"),
    (
        {"config": "a.dbn", "start": pd.Timestamp("2024-01-02"), "end": "2024-01-01"},
        "end: expected a time after start (2024-01-02T00:00:00Z), found 2024-01-01T00:00:00Z",
    ),
    ({"seed": "x"}, "seed: expected a whole number, found 'x' (a string)"),
    ({"seed": 1.5}, "seed: expected a whole number, found 1.5"),
    ({"speed": "fast"}, "speed: expected max, realtime or a factor like 10 ({accelera"),
    ({"config": []}, "config: expected at least one file, found none"),
    ({"files": []}, "files: expected at least one file, found none"),
    (
        {"seed": 3, "overrides": {"backtest.seed": 4}},
        "seed: expected in one place, found in overrides, too ('backtest.seed')",
    ),
    (
        {"files": "a.dbn", "overrides": {"backtest.data_source": {"type": "synthetic"}}},
        "files: expected in one place, found in overrides, too ('backtest.data_source')",
    ),
    ({"speed": True}, "speed: expected max, realtime or"),
    ({"transport": "carrier"}, "transport: expected 'auto', 'ipc', 'tcp' or 'inproc', found 'carr"),
    ({"batch_records": 0}, "batch_records: expected at least 1, found 0"),
    ({"instruments": {"A": {"tick": 1}}}, "instruments.A.tick: backtest.instruments.A has no"),
    ({"overrides": ["a"]}, "overrides: expected a mapping like {'backtest.seed': 7}, found a list"),
    ({"overrides": {"backtest..seed": 1}}, "overrides: expected a key like 'backtest.seed', found"),
    (
        {"overrides": {"risk_limits.max_position": 1}},
        "key 'risk_limits.max_position', did you mean 'backtest.risk_limits.max_position'?",
    ),
    ({"overrides": {"backtest.sed": 1}}, "sed: backtest has no 'sed', did you mean 'seed'?"),
    (
        {"overrides": {"backtest.risk_limits.max_position": "ten"}},
        "overrides: backtest.risk_limits.max_position: expected a whole number, found 'ten'",
    ),
    ({"output": 5}, "output: expected a path, found 5"),
    ({"force": "yes"}, "force: expected true or false, found 'yes' (a string)"),
    ({"name": 5}, "name: expected a string, found 5"),
    ({"hooks": print}, "hooks: expected tapewire.runs.hooks.Hooks, found a builtin_function"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_a_wrong_argument_is_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tw.run(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "default.yaml" not in str(caught.value)


def test_wrong_arguments_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match="3 problems") as caught:
        tw.run(5, output=6, strategies=7)
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="2 problems") as caught:
        tw.run(seed=-1, overrides={"backtest.replay.batch_records": 0})
    assert len(caught.value.problems) == 2


def test_every_argument_is_documented() -> None:
    said = inspect.getdoc(tw.run) or ""
    parameters = said.split("Parameters\n")[1].split("Returns\n")[0]
    for name in inspect.signature(tw.run).parameters:
        assert any(name in line.split(", ") for line in parameters.splitlines()), name


# --- what a result looks like -----------------------------------------------------------------


def test_a_result_fits_ten_lines(result: tw.RunResult) -> None:
    lines = repr(result).splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 100
    text = repr(result)
    for part in ("complete", "30,000 events", result.digest, str(result.path), "market_maker"):
        assert part in text


def test_a_result_of_many_strategies_and_warnings_fits_ten_lines(result: tw.RunResult) -> None:
    figures = result.manifest["results"]["total"]
    many = tw.RunResult(
        result.path,
        {
            **result.manifest,
            "results": {"total": figures, "strategies": {f"s{i}": figures for i in range(500)}},
            "warnings": ["w" * 500, "other"],
        },
    )
    lines = repr(many).splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 100
    assert "… and 497 more" in repr(many)
    assert "(and 1 more in the manifest)" in lines[-1]
    assert len(many._repr_html_()) < 50_000


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    failed = tw.RunResult(tmp_path, {"status": "failed", "reason": "a <b>\nc"})
    assert repr(failed).splitlines()[0] == "<RunResult failed: a <b> c>"
    assert "&lt;b&gt;" in failed._repr_html_()
    assert "<svg" not in failed._repr_html_()


def test_a_notebook_shows_figures_and_the_equity(result: tw.RunResult) -> None:
    page = ET.fromstring(result._repr_html_())  # well-formed, so nothing can be missing an end
    cells = [cell.text for cell in page.iter("td")]
    assert {"market_maker", "sma_crossover", "total"} <= set(cells)
    total = result.manifest["results"]["total"]["net_pnl"]
    assert f"{float(total):,.2f}" in cells
    (line,) = page.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) > 20
    assert points == sorted(points, key=lambda point: point[0])
    assert all(0 <= x <= 640 and 0 <= y <= 160 for x, y in points)


def test_the_picture_ends_at_the_result_and_keeps_its_extremes(result: tw.RunResult) -> None:
    equity = result.equity.to_pandas().sort_values("ts", kind="stable")
    by_leg = equity.pivot_table(index="ts", columns="leg", values="pnl", aggfunc="last")
    whole = by_leg.ffill().fillna(0).sum(axis=1).astype("int64")
    ts, pnl = equity_line(result.path / "equity.parquet")
    assert (pnl.min(), pnl.max(), pnl[-1]) == (whole.min(), whole.max(), whole.iloc[-1])
    assert (ts[0], ts[-1]) == (whole.index[0].value, whole.index[-1].value)
    assert len(ts) < len(whole)


def test_prices_as_floats(result: tw.RunResult) -> None:
    exact, floats = result.fills, tw.as_floats(result.fills)
    assert floats["last_px"].to_pylist() == [px / 10**9 for px in exact["last_px"].to_pylist()]
    assert floats["commission"].to_pylist() == [
        px / 10**9 for px in exact["commission"].to_pylist()
    ]
    for name in ("last_qty", "ts_event", "client_order_id"):
        assert floats[name].equals(exact[name])
    assert floats.schema.field("last_px").metadata[b"unit"] == b"price"
    assert tw.as_floats(floats).equals(floats)
    orders = tw.as_floats(result.orders)
    assert orders["price"].null_count == result.orders["price"].null_count


def test_frames(result: tw.RunResult) -> None:
    fills = result.to_pandas("fills")
    assert fills["last_px"].dtype == "float64"
    assert str(fills["ts_event"].dtype) == "datetime64[ns, UTC]"
    assert fills["last_px"].between(1, 1e6).all()
    stored = result.to_pandas("fills", prices="int")
    assert stored["last_px"].dtype == "int64"
    total = result.to_pandas("equity").groupby("leg")["pnl"].last().sum()
    assert total == pytest.approx(float(result.manifest["results"]["total"]["net_pnl"]))
    with pytest.raises(ConfigError, match=r"table: expected fills or .*, did you mean 'fills'\?"):
        result.to_pandas("fill")
    with pytest.raises(
        ConfigError, match=r"prices: expected float or int or decimal, found 'floats'"
    ):
        result.to_pandas("fills", prices="floats")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"path: expected a run folder, found nothing"):
        tw.RunResult.load(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"table: expected an Arrow table .*, found a DataFrame"):
        tw.as_floats(fills)
    with pytest.raises(ConfigError, match=r"table: expected an Arrow table .*, found nothing"):
        tw.as_floats(None)
    with pytest.raises(MissingFileError):
        tw.RunResult(Path("none"), result.manifest).to_pandas("fills")
