"""What a run folder and the terminal say of limits that were reached, and of orders' lives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import tapewire as tw
from tapewire.analytics.formats import latency
from tapewire.cli.display import summary
from tapewire.runs.hooks import Hooks
from tapewire.runs.warnings import HALTS_TOLD_MAX

INSTRUMENTS = {"TWA1": {"tick_size": 0.25, "multiplier": 50}}
LIMITS = {"max_position": 100, "max_order_size": 50, "max_orders_per_second": 100}


def config(file: Path, policy: str, copies: int = 1, **backtest: Any) -> dict[str, Any]:
    limits = {**LIMITS, "max_loss": 300, "on_max_loss": policy}
    return {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(file)]},
            "replay": {"transport": "inproc"},
            "risk_limits": limits,
            "instruments": INSTRUMENTS,
            **backtest,
        },
        "strategy": [
            {"type": "sma_crossover", "name": f"sma-{k}", "parameters": {"position_size": 2}}
            for k in range(copies)
        ],
    }


@pytest.mark.parametrize("policy", ["halt", "flatten"])
def test_a_loss_limit_that_was_reached_is_told_everywhere(
    tmp_path: Path, synthetic_file: Path, policy: str
) -> None:
    announced: list[str] = []
    result = tw.run(
        config(synthetic_file, policy), output=tmp_path / "run", hooks=Hooks(announced.append)
    )
    (halt,) = result.manifest["loss_halts"]
    assert halt["strategy_id"] == "sma-0"
    assert halt["on_max_loss"] == policy
    assert float(halt["pnl"]) <= -300.0
    (position,) = halt["positions"]
    final = result.equity.column("position").to_pylist()[-1]
    assert position["symbol"] == "TWA1"
    assert position["at_end"] == final == (position["at_halt"] if policy == "halt" else 0)
    assert position["at_halt"] != 0
    (said,) = [w for w in result.manifest["warnings"] if "reached max_loss 300.00 at" in w]
    assert f"on_max_loss: {policy}" in said
    assert said in summary(result)
    assert [text for text in announced if said.startswith(text)]
    page = result.report.read_text()
    for text in (halt["ts"][:10], "Halted by max_loss", "reached max_loss 300.00"):
        assert text in page
    orders = result.orders
    closing = orders.filter(pc.equal(orders["reason"], "LOSS_FLATTEN"))
    assert closing.num_rows == halt["closing_orders"] == (1 if policy == "flatten" else 0)
    assert closing["client_order_id"].to_pylist() == ["flatten-1"][: closing.num_rows]
    assert f"on_max_loss: {policy}" in (result.path / "config.yaml").read_text()


@pytest.mark.parametrize("source", ["synthetic", "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"])
def test_the_specified_limits_give_complete_results(
    tmp_path: Path, synthetic_file: Path, data_file: Callable[[str], Path], source: str
) -> None:
    file = synthetic_file if source == "synthetic" else data_file(source)
    given = config(file, "halt", risk_limits={**LIMITS, "max_loss": 10_000.0})
    given["strategy"] = [{"type": "market_maker"}, {"type": "sma_crossover"}]
    given["backtest"]["instruments"] = {
        "TWA1" if source == "synthetic" else "ESH4": INSTRUMENTS["TWA1"]
    }
    result = tw.run(given, output=tmp_path / "run")
    assert result.status == "complete"
    assert set(result.manifest["results"]["strategies"]) == {"market_maker", "sma_crossover"}
    assert set(result.fills["strategy_id"].to_pylist()) == {"market_maker", "sma_crossover"}
    result.verify()


def test_limits_that_were_reached_are_told_everywhere(tmp_path: Path, synthetic_file: Path) -> None:
    """One of a strategy, which is alone, and one of all together: at one and the same time."""
    announced: list[str] = []
    given = config(
        synthetic_file, "halt", risk_limits={"max_drawdown": 200, "on_max_drawdown": "deny"}
    )
    given["backtest"]["portfolio_limits"] = {"max_drawdown": 200, "on_max_drawdown": "flatten"}
    result = tw.run(given, output=tmp_path / "run", hooks=Hooks(announced.append))
    own, house = result.manifest["limit_trips"]
    assert (own["strategy_id"], own["limit"], own["action"]) == ("sma-0", "max_drawdown", "deny")
    assert (house["strategy_id"], house["limit"], house["action"]) == (
        None,
        "max_drawdown",
        "flatten",
    )
    assert (own["bound"], house["bound"]) == ("200.00", "200.00")
    assert own["ts_ns"] == house["ts_ns"]
    assert own["found"] == house["found"]
    assert float(own["found"]) >= 200
    assert result.equity.column("position").to_pylist()[-1] == 0
    page = result.report.read_text()
    for start in (
        "sma-0 reached max_drawdown 200.00 at",
        "the portfolio reached max_drawdown 200.00 at",
    ):
        (said,) = [w for w in result.manifest["warnings"] if w.startswith(start)]
        assert [text for text in announced if said.startswith(text)]
    for text in ("Limits that were reached", "all together", "max_drawdown"):
        assert text in page
    assert result.manifest["config"]["backtest"]["portfolio_limits"]["max_drawdown"] == 200
    result.verify()


def test_of_many_halts_the_first_few_are_told_by_name(tmp_path: Path, synthetic_file: Path) -> None:
    copies = HALTS_TOLD_MAX + 2
    result = tw.run(config(synthetic_file, "halt", copies), output=tmp_path / "run")
    assert len(result.manifest["loss_halts"]) == copies
    told = [w for w in result.manifest["warnings"] if "reached max_loss" in w]
    assert len(told) == HALTS_TOLD_MAX + 1
    assert told[-1].startswith("2 more reached max_loss")


def test_a_log_of_every_change_of_every_order(tmp_path: Path, synthetic_file: Path) -> None:
    given = config(synthetic_file, "halt", output={"detailed_log": True})
    given["strategy"] = [{"type": "market_maker"}]
    plain = {**given, "backtest": {**given["backtest"], "output": {}}}
    result = tw.run(given, output=tmp_path / "logged")
    assert result.digest == tw.run(plain, output=tmp_path / "plain").digest
    assert not (tmp_path / "plain" / "events.parquet").exists()
    events, orders, fills = result.events, result.orders, result.fills
    result.verify()

    def count(name: str) -> int:
        return int(pc.sum(pc.equal(events["event"], name)).as_py())

    assert count("SENT") + count("DENIED") == orders.num_rows
    assert count("REPLACED") == pc.sum(orders["replaces"]).as_py() > 0
    assert count("FILLED") + count("PARTIALLY_FILLED") == fills.num_rows > 0
    assert count("CANCELED") == pc.sum(pc.equal(orders["status"], "CANCELED")).as_py()
    assert events.schema.field("ts_known").metadata[b"unit"] == b"ns UTC"


def test_late_news_is_counted_and_warned_of(tmp_path: Path, synthetic_file: Path) -> None:
    given = config(synthetic_file, "halt")
    given["strategy"] = [{"type": "market_maker"}]
    execution = {"latency_model": {"type": "fixed", "network_latency_us": 0,
                                   "processing_latency_us": 0}}  # fmt: skip
    given["backtest"]["execution"] = execution
    result = tw.run(given, output=tmp_path / "response")
    counts = result.manifest["counts"]
    early, lead_ns = (counts[f"fills_known_before_capture{suffix}"] for suffix in ("", "_ns_max"))
    assert 0 < early <= result.fills.num_rows
    (said,) = [w for w in result.manifest["warnings"] if "before the record that caused" in w]
    assert said.startswith(f"{early:,} fills ")
    assert f"by up to {lead_ns / 1000:,.1f} µs" in said
    assert "fills were known to their strategy before" in result.report.read_text()
    shown = latency(lead_ns)
    assert lead_ns > 1_000
    assert shown in result.report.read_text()
    given["backtest"]["execution"] = {**execution, "fill_notice": "feed"}
    fed = tw.run(given, output=tmp_path / "feed")
    assert fed.manifest["counts"]["fills_known_before_capture"] == 0
    assert not [w for w in fed.manifest["warnings"] if "before the record that caused" in w]
    assert (
        json.loads((fed.path / "manifest.json").read_text())["config"]["backtest"]["execution"][
            "fill_notice"
        ]
        == "feed"
    )


def test_orders_that_never_left_are_told(tmp_path: Path, synthetic_file: Path) -> None:
    """Prices of the data are no multiples of 7: the market maker's orders are denied."""
    given = config(synthetic_file, "halt", instruments={"TWA1": {"tick_size": 7}})
    given["strategy"] = [{"type": "market_maker"}]
    result = tw.run(given, output=tmp_path / "run")
    denied = pc.sum(pc.equal(result.orders["status"], "DENIED")).as_py()
    assert denied == result.manifest["counts"]["orders_denied"] > 0
    said = [w for w in result.manifest["warnings"] if "denied: INVALID_PRICE" in w]
    told = f"market_maker: {denied:,} order{'s' * (denied > 1)} denied: INVALID_PRICE "
    assert said == [told + "(not a multiple of tick_size 7)"]
    assert said[0] in result.report.read_text()


def test_rows_of_a_log_after_the_data_are_told(tmp_path: Path, synthetic_file: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "ts_ns,action,client_order_id,symbol,side,order_type,price,quantity,time_in_force\n"
        "9000000000000000000,new,a,TWA1,BUY,MARKET,,1,IOC\n"
        "9000000000000000001,new,b,TWA1,BUY,MARKET,,1,IOC\n"
    )
    given = config(synthetic_file, "halt")
    given["strategy"] = [{"type": "order_log", "parameters": {"path": str(log)}}]
    result = tw.run(given, output=tmp_path / "run")
    assert result.manifest["counts"]["log_rows_unsent"] == 2
    (said,) = [w for w in result.manifest["warnings"] if "not sent" in w]
    assert said.startswith("2 rows of order logs were not sent: the data ended before, at 20")
