"""What is shown while a run goes: where it stands, on a terminal and without one."""

import copy
import io
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.cli.live import LiveDisplay
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.standing import Standing
from tapewire.runs.turns import Turns

NAME = "[red]second\x1b[2J"
SHOWN = r"[red]second\x1b[2J"
CONFIG: dict[str, Any] = {
    "backtest": {
        "data_source": {"type": "databento"},
        "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
        "replay": {"transport": "inproc", "batch_records": 10_000},
    },
    "strategy": [{"type": "market_maker"}, {"type": "sma_crossover", "name": "second"}],
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def seen(
    synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[RunProgress, Standing]]:
    """What was to see after each batch of a run."""
    seen: list[tuple[RunProgress, Standing]] = []
    hooks = Hooks(progress=lambda progress: seen.append((progress, progress.standing())))
    out = tmp_path_factory.mktemp("live") / "out"
    tw.run(CONFIG, files=synthetic_file, output=out, hooks=hooks)
    return seen


def test_a_run_stands_where_a_stepped_one_does(
    seen: list[tuple[RunProgress, Standing]], synthetic_file: Path
) -> None:
    assert seen[-1][0].events == 30_000
    with tw.Simulation(CONFIG, files=synthetic_file) as stepped:
        for progress, standing in seen:
            stepped.step(progress.events - stepped.events)
            assert stepped.events == progress.events
            fills, orders = stepped.fills().to_pandas(), stepped.table("orders").to_pandas()
            assert standing.orders == stepped.orders()
            assert standing.fills == len(fills) > 0
            assert standing.pnl == pytest.approx(stepped.pnl)
            assert standing.counts["orders_sent"] >= len(orders)
            for line, held in zip(standing.lines(), stepped.positions(), strict=True):
                assert (line.strategy_id, line.symbol) == (held.strategy_id, "TWA1")
                assert (line.position, line.volume, line.mark) == (
                    held.position, held.volume, held.mark,
                )  # fmt: skip
                assert round(line.pnl * 1e9) == held.pnl
                assert line.fills == (fills["strategy_id"] == line.strategy_id).sum()
                mine = orders[orders["strategy_id"] == line.strategy_id]
                assert line.ended == mine["status"].value_counts().to_dict()


def test_lines_are_of_those_that_traded_most(seen: list[tuple[RunProgress, Standing]]) -> None:
    standing = seen[-1][1]
    first, second = standing.lines()
    assert first.volume > second.volume
    assert standing.lines(1) == [first]
    assert standing.lines(2) == [first, second]


def test_turns_come_so_often_and_take_a_hundredth(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    turns = Turns(0.25)
    for took_s, pause_s in ((0.001, 0.25), (0.1, 10.0), (0.0, 0.25)):
        assert turns.begin()
        began_s = now[0]
        now[0] += took_s
        turns.end()
        now[0] = began_s + pause_s - 1e-6
        assert not turns.begin()
        now[0] = began_s + pause_s
    assert turns.begin()


@pytest.fixture
def renamed(seen: list[tuple[RunProgress, Standing]]) -> RunProgress:
    """The last of a run whose second strategy has a name that terminals might obey."""
    progress, standing = seen[-1][0], copy.copy(seen[-1][1])
    lines = standing.lines()
    object.__setattr__(lines[1], "strategy_id", NAME)
    standing.lines = lambda lines_max=None: lines  # type: ignore[method-assign]
    standing.warnings = [*standing.warnings, f"{NAME} is told of"]
    return RunProgress(30_000, 60_000, 2.0, progress.now_ns, progress.pnl, lambda: standing)


def test_a_terminal_shows_names_as_text(
    renamed: RunProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "60")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with LiveDisplay(stream=stream) as display:
        display.progress(renamed)
        display.progress(renamed)  # at once again: not its turn
        shown = stream.getvalue()
        display.announce(f"{NAME} said")
    assert shown.count("30,000 (50 %) events") == 1
    assert "market_maker" in shown
    assert "ahead" in shown
    whole = stream.getvalue()
    assert f"{SHOWN} said" in whole
    assert f"warning {SHOWN} is told of" in whole
    assert "\x1b[2J" not in whole
    assert whole.count("\x1b[?25l") == whole.count("\x1b[?25h") == 1


def test_without_a_terminal_there_are_plain_lines(
    renamed: RunProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.cli.live._LINE_INTERVAL_S", 0.0)
    monkeypatch.setattr("tapewire.runs.turns._TIMES_REST", 0)
    stream = io.StringIO()
    with LiveDisplay(stream=stream) as display:
        display.progress(renamed)
    standing = renamed.standing()
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert f"open {len(standing.orders)}  fills {standing.fills:,}  warnings" in line


def test_ctrl_c_leaves_a_terminal_as_it_was(
    tapewire: Any, tmp_path: Path, synthetic_file: Path
) -> None:
    main, secondary = pty.openpty()
    command = tapewire.command("run", synthetic_file, "-o", "out", "--speed", "20", "--live")
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "50"},
    )  # fmt: skip
    os.close(secondary)
    shown, asked = b"", False
    while True:
        try:
            shown += os.read(main, 1 << 16)
        except OSError:  # how the end of a terminal looks on Linux
            break
        if not asked and shown.count(b"market_maker") > 2:
            asked = True
            process.send_signal(signal.SIGINT)
    os.close(main)
    process.communicate(timeout=60)
    assert process.returncode == 130, shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1  # the cursor
    assert b"stopped by Ctrl-C" in shown.split(b"\x1b[?25h")[1]


def test_live_and_quiet_are_refused(tapewire_here: Any) -> None:
    done = tapewire_here("run", "--live", "--quiet")
    assert done.returncode == 2
    assert done.stderr == "error: --live: expected without --quiet, found with it\n"
