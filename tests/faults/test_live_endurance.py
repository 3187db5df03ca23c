"""A live session as long as a day, at a multiple of the day's pace, with orders at a broker."""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fix_exchange as fx
from conftest import Tapewire
from fix_venue import VARIABLE
from killing import Scene, Started, started
from live_gateway import DATASET, KEY, SNAPSHOT, serving
from live_sessions import filling, orders_of, script_of
from long_days import DAY_FILE, day_of, resident_mb, slope
from soaking import Soak
from tapewire.live.rails.journal import FILE_BYTES_MAX, journal_files
from tapewire.replay.source import read_records

DAY_S = 600.0
SYMBOL = "ESH4"
#: What rows that wait to be written by 65,536, and come a few at a time, may still add behind the
#: warm-up, MB; of a process. What a batch leaves is in `test_endurance`.
GROWTH_MAX_MB = 32.0
#: Of one file of the journal; there may be a bit more before the next one begins.
JOURNAL_MAX_BYTES = FILE_BYTES_MAX + (1 << 20)


def looked_at(one: Started, seen: dict[str, list[tuple[float, float]]], until_s: float) -> None:
    """Note what each process has, once a second, as long as the command is there."""
    while one.process.poll() is None:
        assert time.monotonic() < until_s, "it goes on and on"
        for pid, role in one.pids().items():
            with contextlib.suppress(OSError):  # it is about to be gone
                seen.setdefault(role, []).append((time.monotonic(), resident_mb(pid)))
        time.sleep(1.0)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_live_day_at_a_multiple_of_its_own_pace(
    tmp_path: Path, tapewire: Tapewire, data_file: Callable[[str], Path], soak: Soak,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    path = tmp_path / "day.mbo.dbn"
    events = day_of(data_file(DAY_FILE), path)
    records = read_records(path)[1].copy()
    begins = np.append(np.flatnonzero(records["action"] == ord("R")), events)
    records["flags"][begins[1] :] &= ~np.uint8(SNAPSHOT)  # there is one, as the session begins
    records["flags"][0] |= SNAPSHOT
    seconds = soak.seconds(DAY_S)
    seen: dict[str, list[tuple[float, float]]] = {}
    with fx.exchanging() as exchange:
        content = {
            "backtest": {"data_source": {"type": "databento", "files": ["live.dbn"]}},
            "strategy": {"type": "market_maker"},
            "live": {
                "dataset": DATASET, "symbols": [SYMBOL], "max_lag_ms": 60_000,
                "orders": orders_of(exchange, tmp_path, waits={"lag": 60.0}),
            },
        }  # fmt: skip
        scene = Scene(tmp_path / "s", ("live", "session.yaml", "--for", str(seconds + 10), "-q"))
        scene.folder.mkdir()
        with (
            serving(script_of(records, seconds, SYMBOL)) as gateway,
            filling(exchange, 0.2),
        ):
            content["live"]["gateway"] = str(gateway.address)  # type: ignore[index]
            (scene.folder / "session.yaml").write_text(json.dumps(content))
            with started(scene, tapewire.command) as one:
                looked_at(one, seen, time.monotonic() + 2 * seconds + 300.0)
                error = one.wait(60.0)
                assert one.process.returncode == 0, error
            assert gateway.happened == events
        orders, fills = sum(exchange.new_orders.values()), len(exchange.trades)
        assert set(exchange.new_orders.values()) == {1}
        assert not [order for order in exchange.orders.values() if order.leaves]
    assert scene.manifest()["status"] == "complete"
    grown = {}
    for role in ("command", "stream", "rails"):
        at_s, mb = zip(*seen[role], strict=True)
        _, grown[role] = slope(list(at_s), list(mb))
        assert grown[role] < GROWTH_MAX_MB, (
            role,
            grown[role],
            mb[:: max(1, len(mb) // 20)],
            orders,
        )
    sizes = [file.stat().st_size for file in journal_files(tmp_path / "account")]
    assert max(sizes) < JOURNAL_MAX_BYTES
    told = ", ".join(f"{role} {mb:+.1f} MB" for role, mb in grown.items())
    soak.say(f"{events:,} events, {orders:,} orders, {fills:,} fills; behind the warm-up {told}; "
             f"{len(sizes)} files of the journal, {max(sizes):,} bytes the largest")  # fmt: skip
