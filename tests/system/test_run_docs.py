"""The pages are true: their commands and snippets run, in their own order, in empty folders."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import fix_exchange as fx
import tapewire as tw
from alert_taker import taking
from forks import TIMEOUT_S, Forks
from live_gateway import KEY, LiveGateway, Script, serving
from live_sessions import filling, script_of
from tapewire.replay.source import read_records
from tapewire.studies import Study

BLOCK = re.compile(r"<!-- doc: (\w+) ?(\S*) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RunBlocks = Callable[[Path, Path], int]


@pytest.fixture
def run_blocks(forks: Forks) -> RunBlocks:
    """Run every block of a page in a folder; how many there were."""
    return lambda page, folder: _run_blocks(page, folder, forks)


def _run_blocks(page: Path, folder: Path, forks: Forks) -> int:
    ran = 0
    for kind, name, body in BLOCK.findall(page.read_text()):
        if kind == "file":
            (folder / name).write_text(body)
            continue
        if kind == "make":  # they would run this very test: see test_docs for what they name
            continue
        if kind == "python":
            done = forks.python(body, cwd=folder)
        else:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", body], cwd=folder, env=forks.env,
                capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
        assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
        ran += 1
    return ran


def test_every_command_and_snippet_of_the_features_page(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "features.md", tmp_path) == 3
    assert (tmp_path / "train.parquet").exists()


def test_the_page_of_the_store(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    from tapewire.store import Store

    assert run_blocks(repo / "docs" / "store.md", tmp_path) == 2
    with Store.open(str(tmp_path / "again.db"), create=False) as store:
        assert store.strategy("random-0").results[0].sharpe_ratio == 1.4


def test_the_part_about_brokers(repo: Path, tmp_path: Path, forks: Forks) -> None:
    blocks = BLOCK.findall((repo / "docs" / "live.md").read_text().partition("## Brokers")[2])
    assert [kind for kind, _, _ in blocks] == ["python", "file"]
    done = forks.python(blocks[0][2], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compile(blocks[1][2], blocks[1][1], "exec")


@pytest.mark.long
def test_the_page_of_the_rails(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "rails.md", tmp_path) == 3
    assert not (tmp_path / "demo" / "KILL").exists()


@pytest.mark.long
def test_the_page_of_live_data(
    repo: Path, tmp_path: Path, forks: Forks, synthetic_file: Path
) -> None:
    """With a gateway of this host, for less than the hour."""
    _, records = read_records(synthetic_file)
    (symbols,) = {int(number) for number in records["instrument_id"]}
    bodies = [body for _, _, body in BLOCK.findall((repo / "docs/live.md").read_text())]
    config, commands, account, at_a_broker = bodies[:4]
    (tmp_path / "session.yaml").write_text(config)
    env = {**forks.env, "DATABENTO_API_KEY": KEY, "VENUE_PASSWORD": fx.PASSWORD}

    def run(commands: str, seconds: int, gateway: LiveGateway) -> str:
        body = commands.replace("--for 3600", f"--for {seconds} --gateway {gateway.address}")
        assert body != commands
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", body], cwd=tmp_path, env=env,
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    with serving(Script(records, {"ESH4": symbols})) as gateway:
        run(commands, 4, gateway)
    with (
        taking() as taker,
        fx.exchanging() as exchange,
        serving(script_of(records[:3_000], 16.0, "ESH4")) as gateway,
        filling(exchange, 0.1),
    ):
        env["OPS_WEBHOOK"] = taker.url
        (tmp_path / "account.yaml").write_text(account.replace("9001", str(exchange.port)))
        said = run(at_a_broker, 20, gateway)
    assert "of the lots agree in price and time" in said
    assert taker.taken[-1] == {**taker.taken[-1], "text": "the session is complete"}
    runs = [
        json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("monday", "again")
    ]
    assert runs[0]["digest"] == runs[1]["digest"]
    assert runs[0]["events"] == len(records)


@pytest.mark.long
def test_the_page_of_the_studio(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "studio.md", tmp_path) == 1


@pytest.mark.long
def test_the_page_of_the_server(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "server.md", tmp_path) == 2


@pytest.mark.long
def test_the_page_of_who_operates_a_server(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "operating.md", tmp_path) == 5
    assert (tmp_path / "monday.backup").exists()


@pytest.mark.long
def test_every_command_and_snippet_of_the_candles_page(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "candles.md", tmp_path) == 5
    assert pq.read_table(tmp_path / "results.parquet").num_rows == 12


@pytest.mark.long
def test_every_command_and_snippet_of_the_pages_of_engines_on_bars(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    apart = tmp_path / "apart"  # it has bars of its own
    apart.mkdir()
    assert run_blocks(repo / "docs" / "candles-event-driven.md", apart) == 3
    trades = [pq.read_table(apart / name / "trades.parquet") for name in ("once", "by_bar")]
    assert trades[1].num_rows > trades[0].num_rows > 10
    assert run_blocks(repo / "docs" / "candles-vectorised.md", tmp_path) == 5
    assert pq.read_table(tmp_path / "results.parquet").num_rows == 30
    assert (tmp_path / "traded" / "report.html").exists()
    assert run_blocks(repo / "docs" / "factory.md", tmp_path) == 5
    assert len(json.loads((tmp_path / "tested.json").read_text())["rows"]) > 40
    assert (tmp_path / "generation.html").exists()
    assert pq.read_table(tmp_path / "traded.parquet").num_rows == 200
    assert run_blocks(repo / "docs" / "evolving.md", tmp_path) == 2
    assert run_blocks(repo / "docs" / "overfitting.md", tmp_path) == 1


@pytest.mark.long
def test_every_command_and_snippet_of_the_page_of_converting(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "converting.md", tmp_path) == 4
    assert (tmp_path / "configured" / "report.html").exists()


@pytest.mark.long
def test_every_command_and_snippet_of_the_pages_of_bars(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "indicators.md", tmp_path) == 3
    assert len(json.loads((tmp_path / "indicators.json").read_text())) > 20
    assert run_blocks(repo / "docs" / "rules.md", tmp_path) == 2
    published = (repo / "docs" / "strategy.schema.json").read_text()
    assert (tmp_path / "strategy.schema.json").read_text() == published


@pytest.mark.long
def test_every_command_and_snippet_of_the_pages_of_truth(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "placebo.md", tmp_path) == 2
    assert json.loads((tmp_path / "placebo.json").read_text())["shares"]["lots"] == 1.0
    assert run_blocks(repo / "docs" / "explain.md", tmp_path) == 2
    assert json.loads((tmp_path / "story.json").read_text())["order"]["client_order_id"] == "7"


@pytest.mark.long
def test_every_snippet_of_the_page_of_execution_models(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "execution-models.md", tmp_path) == 9
    assert (tmp_path / "impact.html").exists()
    sent = {}
    for name in ("drawn", "gamma", "recorded"):
        result = tw.RunResult.load(tmp_path / name)
        assert result.fills.num_rows > 0
        sent[name] = np.unique(
            result.orders["ts_arrived"].to_numpy().astype(np.int64)
            - result.orders["ts_sent"].to_numpy().astype(np.int64)
        ).size
    assert tw.RunResult.load(tmp_path / "queued").manifest["counts"]["messages_held"] > 0
    (measured,) = [
        one
        for one in tw.RunResult.load(tmp_path / "recorded").manifest["inputs"]
        if one["file"].endswith("measured.csv")
    ]
    assert len(measured["sha256"]) == 64
    fees = tw.RunResult.load(tmp_path / "drawn").fees
    assert set(fees["line"].to_pylist()) == {"exchange", "clearing", "broker"}
    fills = tw.RunResult.load(tmp_path / "drawn").fills
    assert sum(fees["fee"].to_pylist()) == sum(fills["commission"].to_pylist())
    bill = tw.RunResult.load(tmp_path / "drawn").manifest["fee_lines"]["market_maker"]
    assert {line for line, fees in bill.items() if float(fees)} == {"exchange", "broker"}
    assert min(sent["drawn"], sent["gamma"]) > 100


@pytest.mark.long
def test_the_page_of_orders(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    """Bought whole or not at all, sold where it rests or by a stop, which ends with the session."""
    assert run_blocks(repo / "docs" / "orders.md", tmp_path) == 1
    orders = tw.RunResult.load(tmp_path / "orders").orders.to_pylist()
    kinds = {(o["order_type"], o["time_in_force"], o["status"]) for o in orders}
    assert {
        ("LIMIT", "FOK", "FILLED"),
        ("STOP", "DAY", "FILLED"),
        ("STOP", "DAY", "EXPIRED"),
    } <= kinds
    for order in orders:
        assert (order["trigger_price"] is not None) == (order["order_type"] == "STOP")
        assert (order["expires"] is not None) == (order["time_in_force"] == "GTD")
        assert (order["post_only"] == "reprice") == (order["time_in_force"] == "GTD")


def test_the_page_of_venues(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "venues.md", tmp_path) == 1
    fills = tw.RunResult.load(tmp_path / "shared").fills.to_pandas()
    met = fills[fills["reason"].astype(str) == "COMPANY"]
    assert set(met["strategy_id"]) == {"quotes", "trend"}


def test_the_page_of_limits_and_money(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "risk.md", tmp_path) == 5
    total = tw.RunResult.load(tmp_path / "accounts").manifest["results"]["total"]
    # 9,000 euros for a lot, at 1.0842
    assert total["max_position"] > 0
    assert Decimal(total["peak_margin"]) == Decimal("9757.8") * total["max_position"]
    trips = tw.RunResult.load(tmp_path / "risk").manifest["limit_trips"]
    assert {trip["limit"] for trip in trips} == {"max_daily_loss", "max_drawdown"}
    changing = tw.RunResult.load(tmp_path / "changing")
    assert changing.manifest["inputs"][-1]["file"].endswith("eur.csv")
    ended = tw.RunResult.load(tmp_path / "expires")
    last = ended.fills.to_pylist()[-1]
    assert (last["client_order_id"], last["reason"]) == ("settlement", "SETTLEMENT")
    assert (last["position"], last["last_px"], last["commission"]) == (0, 4_999_750_000_000, 0)
    assert ended.manifest["instruments"]["TWA1"]["settlement_price"]["from"] == "config"
    assert ended.instruments[0]["position"] == 0
    assert ended.manifest["counts"]["orders_sent"] > 0


@pytest.mark.long
def test_the_page_of_results(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "results.md", tmp_path) == 5
    page = (tmp_path / "near_and_far.html").read_text()
    assert "backtest.execution.latency_model.network_latency_us" in page


@pytest.mark.long
def test_the_page_of_data(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "data.md", tmp_path) == 3
    assert (tmp_path / "book.png").stat().st_size > 10_000
    bars = pq.read_table(tmp_path / "bars.parquet").to_pydict()
    assert set(bars["symbol"]) == {"TWA1"}
    assert all(low <= high for low, high in zip(bars["low"], bars["high"], strict=True))


@pytest.mark.long
def test_the_page_of_record_flags(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "record-flags.md", tmp_path) == 1
    manifest = tw.RunResult.load(tmp_path / "marked").manifest
    [said], [marked] = manifest["data_flags"]["instruments"], manifest["data_marked"]
    assert said["clear"] == marked["times"] == 25
    assert marked["events"] > 25


@pytest.mark.long
def test_the_page_of_formats(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "formats.md", tmp_path) == 2
    # The snapshot's clear, bid and ask; A, T F C, C, and an ask that came into range.
    assert tw.RunResult.load(tmp_path / "aapl").manifest["events"] == 9
    assert (
        tw.RunResult.load(tmp_path / "found").digest == tw.RunResult.load(tmp_path / "aapl").digest
    )


@pytest.mark.long
def test_the_page_of_markets(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "markets.md", tmp_path) == 1
    market = tw.RunResult.load(tmp_path / "range")
    assert [w for w in market.manifest["warnings"] if "multiplier" in w] == []
    traded = {(fill["strategy_id"], fill["symbol"]) for fill in market.fills.to_pylist()}
    symbols = ("TWAH4", "TWAM4", "TWBH4", "TWBM4")
    assert traded == {(who, s) for who in ("market_maker", "sma_crossover") for s in symbols}


def test_the_page_of_watching(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "watching.md", tmp_path) == 1


@pytest.mark.long
def test_the_page_of_rolls(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "rolls.md", tmp_path) == 1
    rolls = tw.RunResult.load(tmp_path / "rolled").manifest["rolls"]
    assert list(rolls["continuous"]) == ["TWA.v.0", "TWB.v.0"]


@pytest.mark.long
def test_the_page_of_sources(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "sources.md", tmp_path) == 3
    runs = [tw.RunResult.load(tmp_path / name) for name in ("by-folder", "by-date", "from-csv")]
    assert len({run.digest for run in runs}) == 1
    assert len({run.manifest["inputs"][0]["records_used"] for run in runs}) == 1


@pytest.mark.long
def test_the_page_of_studies(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "studies.md", tmp_path) == 7
    walked = json.loads((tmp_path / "studies" / "first" / "walkforward.json").read_text())
    assert len(walked["steps"]) == len(walked["blocks"]) // 2
    first = Study(tmp_path / "studies" / "first")
    assert (first.manifest["trials"], first.manifest["failed"]) == (12, 0)
    third = tw.RunResult.load(tmp_path / "third")
    assert list(third.manifest["digests"].values()) == [first.trials["digest"][2].as_py()]
    assert Study(tmp_path / "studies" / "found").manifest["trials"] == 16
    assert Study(tmp_path / "studies" / "drawn").manifest["trials"] == 6
    # Seven are drawn that differ: four are left after a day, two after two; then one by itself.
    assert Study(tmp_path / "studies" / "pruned").manifest["pruned"] == 5


@pytest.mark.long
def test_the_page_of_clusters(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "cluster.md", tmp_path) == 1
    assert not (tmp_path / "studies").exists()


@pytest.mark.long
def test_the_page_of_montecarlo(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "montecarlo.md", tmp_path) == 4
    spread = tw.MonteCarlo(tmp_path / "studies" / "spread")
    assert (spread.manifest["trials"], spread.manifest["failed"]) == (8, 0)
    third = tw.RunResult.load(tmp_path / "third")
    assert spread.study is not None
    assert list(third.manifest["digests"].values()) == [spread.study.trials["digest"][2].as_py()]
    assert tw.MonteCarlo(tmp_path / "studies" / "markets").band("markets", "net_pnl").count == 2


def test_the_page_of_metrics(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "metrics.md", tmp_path) == 1
    total = tw.RunResult.load(tmp_path / "capital").manifest["results"]["total"]
    assert total["initial_capital"] == "100000"
    assert total["total_return"] == pytest.approx(float(total["net_pnl"]) / 100_000)
    assert total["total_return"] != 0


@pytest.mark.timeout(400)
def test_from_an_idea_to_a_report(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "strategies.md", tmp_path) == 7
    for name in ("follow", "from_python", "wants"):
        result = tw.RunResult.load(tmp_path / name)
        assert result.fills.num_rows > 0
        assert result.series.num_rows > 0
        assert result.report.exists()
    grid = tw.RunResult.load(tmp_path / "grid")
    assert grid.variants["strategy_id"].to_pylist() == [
        *(f"grid.{k}" for k in range(1, 7)), "two.1", "two.2"
    ]  # fmt: skip
    failed = tw.RunResult.load(tmp_path / "failed", incomplete=True)
    assert failed.manifest["status"] == "failed"
    assert "Wrong failed in on_trade" in failed.manifest["reason"]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_from_python_to_compiled(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "compiled-strategies.md", tmp_path) == 3
    assert not (tmp_path / "untyped" / "report.html").exists()


def test_the_examples_page(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo / "examples", tmp_path / "examples")
    assert run_blocks(repo / "docs" / "examples.md", tmp_path) == 1
    assert tw.RunResult.load(tmp_path / "momentum").fills.num_rows > 0


@pytest.mark.long
def test_from_rows_to_a_trained_model(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo / "examples", tmp_path / "examples")
    assert run_blocks(repo / "docs" / "models.md", tmp_path) == 5
    result = tw.RunResult.load(tmp_path / "momentum")
    assert result.fills.num_rows > 10
    assert result.manifest["models"]["momentum"]["rows"] > 500
    assert tw.RunResult.load(tmp_path / "slow-20").fills.num_rows > 0


def test_from_an_environment_to_an_agent(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "reinforcement-learning.md", tmp_path) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_the_protocol_page(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo / "examples", tmp_path / "examples")
    assert run_blocks(repo / "docs" / "protocol.md", tmp_path) == 4
    assert (tmp_path / "client").exists()


@pytest.mark.timeout(400)
def test_every_command_and_snippet_of_the_readme(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "README.md", tmp_path) >= 7
    runs = {path.parent.name for path in tmp_path.glob("*/manifest.json")}
    named = {
        "first", "second", "third", "fourth", "fifth", "notebook", "sixth", "prepared", "cached",
        "policies", "limited", "idea", "grid", "model",
    }  # fmt: skip
    assert runs == named
    variants = json.loads((tmp_path / "grid" / "manifest.json").read_text())["variants"]
    assert [variant["strategy_id"] for variant in variants] == [
        *(f"idea.{k}" for k in range(1, 7)), "far.1", "far.2",
    ]  # fmt: skip


def test_strategies_in_processes_of_their_own(
    run_blocks: RunBlocks, repo: Path, tmp_path: Path
) -> None:
    assert run_blocks(repo / "docs" / "external.md", tmp_path) >= 4


@pytest.mark.long
def test_the_page_of_days_apart(run_blocks: RunBlocks, repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "days.md", tmp_path) == 2
