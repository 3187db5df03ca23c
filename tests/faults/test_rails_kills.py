"""Rails, engine, the broker's line ended at any moment: no order twice, none unaccounted."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rails_desks import SYMBOL
from rails_engines import WAITS, Engine, require_accounted, served_settings
from rails_server import VenueServer
from seeds import play_seeds
from tapewire.errors import ConfigError, LeaseError, LiveError, PeerLostError, TapewireError
from tapewire.live.orders import OrderAccepted, OrderFilled
from tapewire.live.rails.lease import LEASE_FILE, Lease
from tapewire.live.rails.line import RailsLine
from tapewire.live.rails.messages import RailsState
from tapewire.live.rails.settings import BrokerChoice
from tapewire.live.rails.switch import KILL_FILE, reset_kill_switch

HERE = Path(__file__).parents[1]
#: Kills of each in the full form.
KILLS = 30
GONE_S = 20.0


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rails load the adapter to the venue of these tests."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@contextlib.contextmanager
def scene(tmp_path: Path, seed: int = 1, **venue: Any) -> Iterator[tuple[Any, VenueServer]]:
    with VenueServer(tmp_path / "v", seed, **venue) as server:
        yield (lambda **changes: served_settings(tmp_path / "account", tmp_path / "v", **changes),
               server)  # fmt: skip


def wait_gone(pid: int) -> None:
    until_s = time.monotonic() + GONE_S
    while Path(f"/proc/{pid}").exists():
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            return
        assert time.monotonic() < until_s
        time.sleep(0.02)


def play_kills(tmp_path: Path, seed: int, kills: int, life_s: float = 1.0) -> VenueServer:
    """Kill the rails so often at random moments of their work; then let all come to rest."""
    draw = random.Random(seed)
    with scene(tmp_path, seed, cuts=25, fills_s=0.02) as (settings, server):
        for _ in range(kills):
            engine = Engine(settings(), draw.randrange(2**32))
            with contextlib.closing(engine.line), contextlib.suppress(PeerLostError):
                until_s = time.monotonic() + draw.uniform(0.0, life_s)
                while time.monotonic() < until_s:
                    engine.poll()
                    engine.act()
                os.kill(engine.line.pid, signal.SIGKILL)
                while True:
                    engine.poll()
                    engine.act()
        server.cuts, server.fills_s = 0, 0.0
        engine = Engine(settings(on_end="keep"), 1)
        with contextlib.closing(engine.line):
            engine.wait_active()
            engine.line.end()
        require_accounted(tmp_path / "account", server)
    return server


def test_rails_killed_at_a_few_random_moments(tmp_path: Path) -> None:
    server = play_kills(tmp_path, 11, 1, life_s=6.0)
    assert sum(server.venue.received.values()) > 5


@pytest.mark.long
def test_rails_killed_at_some_random_moments(tmp_path: Path) -> None:
    play_kills(tmp_path, 12, 4)


@pytest.mark.soak
def test_rails_killed_at_random_moments(tmp_path: Path) -> None:
    def play(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        play_kills(folder, seed, KILLS)

    play_seeds("test_rails_killed_at_random_moments", 1, play, verb="soak")


def play_cuts(tmp_path: Path, seed: int, cuts: int) -> None:
    """Cut the broker's connection so often; the session goes on."""
    draw = random.Random(seed)
    with scene(tmp_path, seed, fills_s=0.02) as (settings, server):
        engine = Engine(settings(on_end="keep"), seed)
        with contextlib.closing(engine.line):
            engine.wait_active()
            for _ in range(cuts):
                until_s = time.monotonic() + draw.uniform(0.0, 0.5)
                while time.monotonic() < until_s:
                    engine.poll()
                    engine.act()
                server.cut()
                engine.wait(lambda: engine.line.state != RailsState.ACTIVE)
                engine.wait_active()
            server.fills_s = 0.0
            engine.wait_active()
            engine.line.end()
        require_accounted(tmp_path / "account", server)


@pytest.mark.long
def test_a_brokers_connection_cut_at_random_moments(tmp_path: Path) -> None:
    play_cuts(tmp_path, 5, 2)


@pytest.mark.soak
def test_a_brokers_connection_cut_often(tmp_path: Path) -> None:
    def play(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        play_cuts(folder, seed, KILLS)

    play_seeds("test_a_brokers_connection_cut_often", 1, play, verb="soak")


ENGINE = """
import sys
from pathlib import Path
from rails_engines import Engine, served_settings
from tapewire.live.orders import OrderAccepted
account, venue, wind_up = sys.argv[1:]
engine = Engine(served_settings(Path(account), Path(venue), on_engine_lost=wind_up), 1)
engine.wait_active()
engine.order(2, None)
for price in (97, 98, 99):
    engine.order(1, price)
engine.wait(lambda: sum(isinstance(one, OrderAccepted) for one in engine.heard) == 4)
print(engine.line.pid, flush=True)
while True:
    engine.poll(0.05)
"""


@pytest.mark.parametrize("wind_up", [pytest.param("cancel", marks=pytest.mark.long), "flatten"])
def test_an_engine_that_is_killed_leaves_nothing_open(tmp_path: Path, wind_up: str) -> None:
    with scene(tmp_path) as (_, server):
        words = [str(tmp_path / "account"), str(tmp_path / "v"), wind_up]
        with subprocess.Popen(
            [sys.executable, "-c", ENGINE, *words], stdout=subprocess.PIPE
        ) as engine:
            assert engine.stdout is not None
            pid = int(engine.stdout.readline())
            assert len(server.venue.open) == 3
            engine.kill()
        wait_gone(pid)
        assert server.venue.open == []
        assert server.venue.positions[SYMBOL] == (0 if wind_up == "flatten" else 2)
        require_accounted(tmp_path / "account", server)
        lease = Lease(tmp_path / "account", "test", 1)
        assert lease.before is not None
        assert lease.before.is_given_back
        lease.give_back()


def test_a_session_from_its_begin_to_its_end(tmp_path: Path) -> None:
    with scene(tmp_path) as (settings, server):
        # While it waits for rails that are refused, this engine says nothing.
        patient = msgspec.structs.replace(WAITS, beat=60.0)
        engine = Engine(settings(on_end="flatten", waits=patient), 1)
        with contextlib.closing(engine.line):
            with pytest.raises(LeaseError, match=f"another session.*pid {engine.line.pid}"):
                RailsLine(settings())
            engine.poll()
            engine.wait_active()
            name = engine.order(2, None)
            engine.order(1, 97)
            engine.wait(lambda: any(isinstance(one, OrderFilled) for one in engine.heard))
            ended = engine.line.end()
        assert ended.text == "the session was ended; left: nothing"
        kinds = [type(one) for one in engine.heard if getattr(one, "client_order_id", "") == name]
        assert kinds == [OrderAccepted, OrderFilled]
        assert server.venue.positions[SYMBOL] == 0
        assert server.venue.open == []
        require_accounted(tmp_path / "account", server)
        assert sorted(path.name for path in (tmp_path / "account").iterdir()) == [
            "journal-000001.twj", LEASE_FILE, "settings.json",
        ]  # fmt: skip
        with pytest.raises(LiveError, match="the rails have ended"):
            engine.order(1, 97)


@pytest.mark.long
def test_a_signal_and_a_message_kill_until_a_person_resets_it(tmp_path: Path) -> None:
    with scene(tmp_path) as (settings, server):
        engine = Engine(settings(), 1)
        with contextlib.closing(engine.line):
            engine.wait_active()
            engine.order(1, 97)
            engine.wait(lambda: server.venue.open)
            os.kill(engine.line.pid, signal.SIGUSR1)
            engine.wait(lambda: engine.line.state == RailsState.KILLED)
            engine.wait(lambda: not server.venue.open)
            assert engine.line.why == "killed by SIGUSR1"
        assert (tmp_path / "account" / KILL_FILE).exists()
        assert reset_kill_switch(tmp_path / "account", "test", "reset test")
        engine = Engine(settings(), 1)
        with contextlib.closing(engine.line):
            engine.wait_active()
            engine.line.kill("enough")
            engine.wait(lambda: engine.line.state == RailsState.KILLED)
            assert engine.line.why == "killed by the engine: enough"


@pytest.mark.long
def test_no_credential_is_in_any_error_journal_or_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "hunter2-hunter2")
    with scene(tmp_path) as (settings, _):
        choice = BrokerChoice(
            factory="rails_server:open_leaking", options={"variable": "BROKER_PASSWORD"}
        )
        with pytest.raises(TapewireError, match="the rails failed: RuntimeError") as caught:
            RailsLine(settings(broker=choice))
        assert "hunter2" not in str(caught.value)
        for path in (tmp_path / "account").iterdir():
            assert b"hunter2" not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
        Lease(tmp_path / "account", "test", 1).give_back()
        with pytest.raises(ConfigError, match="expected MODULE:FUNCTION"):
            RailsLine(settings(broker=BrokerChoice(factory="rails_server:nothing")))
