"""What Prometheus is told of a run while it goes, asked over HTTP and read by its own parser."""

import socket
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import tapewire as tw
from tapewire.errors import ConfigError
from tapewire.runs.hooks import Hooks, RunProgress

NAME = "maker.one:2"


def run(file: Path, out: Path, port: int, hooks: Hooks | None = None) -> tw.RunResult:
    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(file)]},
            "replay": {"transport": "inproc", "batch_records": 10_000},
            "output": {"metrics_port": port},
        },
        "strategy": [{"type": "market_maker", "name": NAME}, {"type": "sma_crossover"}],
    }
    return tw.run(config, output=out, hooks=hooks)


def test_figures_are_those_of_the_run(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("tapewire.runs.metrics_page._INTERVAL_S", 0.0)
    monkeypatch.setattr("tapewire.runs.turns._TIMES_REST", 0)
    pages: list[str] = []

    def progress(said: RunProgress) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            pages.append(answer.read().decode())
        standing = said.standing()
        found = {
            (sample.name, sample.labels.get("strategy"), sample.labels.get("status")): sample
            for family in text_string_to_metric_families(pages[-1])
            for sample in family.samples
        }

        def value(name: str, strategy: str | None = None, status: str | None = None) -> float:
            return float(found[f"tapewire_{name}", strategy, status].value)

        assert value("events_total") == said.events
        assert value("events_expected") == 30_000
        assert value("events_per_second") > 0
        assert value("simulated_time_seconds") == pytest.approx(said.now_ns / 1e9)
        assert value("orders_sent_total") == standing.counts["orders_sent"]
        assert value("orders_denied_total") == standing.counts["orders_denied"]
        assert value("warnings") == len(standing.warnings)
        total = 0.0
        for line in standing.lines():
            mine = line.strategy_id
            assert value("position", mine) == line.position
            assert value("pnl", mine) == line.pnl
            assert value("fees", mine) == line.fees
            assert value("fills_total", mine) == line.fills
            assert value("filled_lots_total", mine) == line.volume
            total += value("pnl", mine)
            for status, n in line.ended.items():
                assert value("orders_total", mine, status) == n
        assert total == pytest.approx(said.pnl())
        held = [line for line in standing.lines() if line.position]
        assert standing.positions_open == len(held)
        opened = sum(value("open_orders", line.strategy_id) for line in standing.lines())
        assert opened == len(standing.orders)

    threads = threading.active_count()
    result = run(synthetic_file, tmp_path / "out", port, Hooks(progress=progress))
    assert threading.active_count() == threads
    assert result.status == "complete"
    assert len(pages) > 2
    names = {line.split()[2] for line in pages[-1].splitlines() if line.startswith("# HELP")}
    assert names == {
        line.split()[2] for line in pages[-1].splitlines() if line.startswith("# TYPE")
    }
    page = (Path(__file__).parents[2] / "docs" / "watching.md").read_text()
    assert [name for name in names if f"| `{name}`" not in page] == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_port_that_is_taken_is_said_before_the_run(synthetic_file: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"found {port}: Address already in use"):
            run(synthetic_file, tmp_path / "out", port)
    assert not (tmp_path / "out").exists()


def test_the_missing_package_is_one_sentence(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'tapewire\[metrics\]'$"):
        run(synthetic_file, tmp_path / "out", 9_464)


def test_a_port_that_is_none_is_refused(tapewire_here: object) -> None:
    done = tapewire_here("run", "--metrics-port", "70000")  # type: ignore[operator]
    assert done.returncode == 2
    assert done.stderr.startswith("error: --metrics-port: ")
    assert "65535" in done.stderr
