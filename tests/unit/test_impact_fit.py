"""``data impact`` finds what was planted, and says what it can't find."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tapewire.config.loading import make_config
from tapewire.config.yaml import load_yaml
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.impact import impact_file, section_yaml
from tapewire.inputs.propagator import Trading, propagator, responses
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.synth import SyntheticSession

STEP_NS = 5_000_000


def planted(
    left: Callable[[np.ndarray], np.ndarray],
    push_bps: float,
    *,
    root: bool = False,
    n: int = 20_000,
) -> Trading:
    """Trades at random times whose sides persist, and the mid that they and noise make."""
    draw = np.random.default_rng(1)
    ts = 1_700_000_000_000_000_000 + np.cumsum(draw.exponential(60e6, n)).astype(np.int64)
    side = np.where(draw.random(n) < 0.5, 1, -1)
    persists = draw.random(n) < 0.6
    for k in range(1, n):
        side[k] = side[k - 1] if persists[k] else side[k]
    lots = side * draw.integers(1, 8, n)
    size = side * np.sqrt(np.abs(lots)) if root else lots
    grid = np.arange(ts[0] - STEP_NS, ts[-1] + 200 * STEP_NS, STEP_NS)
    pushed = np.bincount(np.searchsorted(grid, ts), size, grid.size)
    lags = np.arange(20_001) * (STEP_NS / 1e6)
    width = grid.size + lags.size
    moved = np.fft.irfft(
        np.fft.rfft(pushed, width) * np.fft.rfft(push_bps * left(lags), width), width
    )
    bps = moved[: grid.size] + np.cumsum(draw.normal(0, 0.02, grid.size))
    mids = 5_000 * (1 + bps / 10_000)
    return Trading(ts, np.arange(n), lots, grid, np.arange(grid.size), mids)


def test_a_planted_half_life_is_found() -> None:
    fit = propagator(planted(lambda ms: 0.3 + 0.7 * 2 ** (-ms / 500), 0.02), "linear")
    assert fit.push_bps == pytest.approx(0.02, rel=0.03)
    assert fit.decay["type"] == "exponential"
    assert fit.decay["half_life_ms"] == pytest.approx(500, rel=0.15)
    assert fit.decay["permanent"] == pytest.approx(0.3, abs=0.06)
    true = 0.02 * (0.3 + 0.7 * 2 ** (-fit.lag_ns / 1e6 / 500))
    assert (np.abs(fit.bps - true) < 4 * fit.stderr_bps).all()


def test_a_planted_power_law_is_found() -> None:
    fit = propagator(planted(lambda ms: (1 + ms / 50) ** -0.5, 0.02), "linear")
    assert fit.decay["type"] == "power_law"
    assert fit.decay["exponent"] == pytest.approx(0.5, abs=0.1)
    true = 0.02 * (1 + fit.lag_ns / 1e6 / 50) ** -0.5
    assert fit.curve_bps[:9] == pytest.approx(true[:9], rel=0.1)


def test_a_push_that_stays_is_permanent_and_a_root_is_told_from_a_line() -> None:
    trading = planted(np.ones_like, 0.05, root=True)
    root, line = propagator(trading, "square_root"), propagator(trading, "linear")
    assert root.explained > line.explained
    assert root.push_bps == pytest.approx(0.05, rel=0.03)
    assert root.decay == {"type": "none", "permanent": 1.0}


def test_where_nothing_is_planted_nothing_is_found() -> None:
    fit = propagator(planted(np.zeros_like, 0.0), "linear")
    assert fit.push_bps < 3 * fit.stderr_bps[0]
    assert fit.explained < 0.001


def test_the_response_of_a_permanent_push_by_hand() -> None:
    """A buy and a sale of two lots, each moving the mid by a basis point of about 10,000."""
    ts, mid_ts = np.array([1_000, 5_000]), np.array([0, 1_000, 5_000, 10**9])
    events = np.array([0, 10, 20, 5_000])
    mids = np.array([10_000.0, 10_001.0, 10_000.0, 10_000.0])
    trading = Trading(ts, np.array([10, 20]), np.array([2, -2]), mid_ts, events, mids)
    one = next(row for row in responses(trading) if (row.unit, row.lag) == ("events", 1))
    assert one.trades == 2
    assert one.bps == pytest.approx((1 + 10_000 / 10_001) / 2)
    assert one.bps_per_lot == pytest.approx(one.bps / 2)


def test_esh4(data_file: Callable[[str], Path], tmp_path: Path) -> None:
    out = io.StringIO()
    path = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    report = impact_file(
        path, multiplier=50, plot=tmp_path / "impact.html", console=Console(file=out, width=120)
    )
    first = report.responses[0]
    # Just after a trade the mid has moved its way, by less than a tick (0.25 of 4,800: 0.52 bps).
    assert 0.05 < first.bps - 3 * first.stderr_bps < first.bps < 0.52
    assert report.trades == 2_743
    assert report.market_impact["type"] == "square_root"
    assert 0.1 < report.market_impact["y"] < 1  # of order one, as the literature has it
    assert section_yaml(report.market_impact) in out.getvalue()
    assert "one √lot alone" in out.getvalue()
    assert (tmp_path / "impact.html").read_text().startswith("<!doctype html>")
    # What is printed can be pasted.
    section = load_yaml(section_yaml(report.market_impact), "pasted")[0]
    config = make_config(
        {
            "backtest": {"data_source": {"type": "synthetic"}, "execution": section},
            "strategy": {"type": "market_maker"},
        }
    )
    assert config.backtest.execution.market_impact.type == "square_root"
    out = io.StringIO()
    linear = impact_file(
        path, shape="linear", multiplier=50, as_json=True, console=Console(file=out)
    )
    told = json.loads(out.getvalue())
    assert told["market_impact"] == linear.market_impact
    assert told["propagator"]["shape"] == "linear"
    push = linear.propagator.push_bps  # of a lot, of about 240,000 in currency
    assert linear.market_impact["impact_bps_per_million"] == pytest.approx(push / 0.24, rel=0.02)


def test_what_can_not_be_fitted_is_refused(tmp_path: Path) -> None:
    records = np.zeros(50, MBO_DTYPE)
    records["length"], records["rtype"], records["publisher_id"] = 14, 160, 1
    records["instrument_id"], records["order_id"] = 90_001, np.arange(50)
    records["ts_event"] = records["ts_recv"] = 1_709_562_600_000_000_000 + np.arange(50)
    records["price"], records["size"], records["flags"] = 5_000_000_000_000, 1, 128
    records["action"], records["side"] = ord("A"), ord("B")
    path = tmp_path / "quiet.mbo.dbn"
    path.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    with pytest.raises(NoDataError, match="at least 100 trades with an aggressor's side, found 0"):
        impact_file(path)
    with pytest.raises(ConfigError, match=r"plot: expected a name that ends in \.html"):
        impact_file(path, plot="impact.png")
    with pytest.raises(ConfigError, match="multiplier: expected more than 0, found 0"):
        impact_file(path, multiplier=0)
