"""Rails in any weather: nothing sent twice, nothing unaccounted, positions those of the venue."""

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rails_storm import Storm
from seeds import play_seeds
from tapewire.live.orders import BrokerUp, OrderFilled
from tapewire.live.rails.desk import RailsDesk
from tapewire.live.rails.journal import Journal
from tapewire.live.rails.ledger import AccountLedger

STEPS = 120
#: Seeds in which each planted fault must be found.
CANARY_SEEDS = 40


def play(seed: int, steps: int = STEPS) -> Storm:
    with tempfile.TemporaryDirectory() as folder:
        return Storm(Path(folder) / "account", seed).play(steps)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_rails_hold_in_any_weather(seed: int) -> None:
    play(seed)


def test_the_weather_has_everything() -> None:
    counts: Counter[str] = Counter()
    for seed in range(12):
        counts += play(seed).counts
    assert min(counts[name] for name in ("cut", "kill", "repeat", "killed in it", "fill")) > 5


@pytest.mark.soak
def test_rails_hold_in_any_weather_for_long() -> None:
    play_seeds("test_rails_hold_in_any_weather_for_long", 3_000, lambda seed: play(seed, 300))


def found(monkeypatch: pytest.MonkeyPatch) -> bool:
    for seed in range(CANARY_SEEDS):
        try:
            play(seed)
        except AssertionError:
            return True
    return False


def test_an_order_of_unknown_outcome_that_is_sent_again_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = RailsDesk._hear

    def hear(self: RailsDesk, events: Any, now_ns: int) -> None:
        if any(isinstance(one, BrokerUp) for one in events):
            for order in self.ledger.unknown:
                if order.status == 1:
                    self._broker.submit(order.order)
        real(self, events, now_ns)

    monkeypatch.setattr(RailsDesk, "_hear", hear)
    monkeypatch.setattr(Storm, "before_send", lambda self, order: None)
    assert found(monkeypatch)


def test_an_order_that_leaves_before_its_record_is_safe_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(self: Journal, frame: bytes) -> None:
        os.write(self._fd, frame)

    monkeypatch.setattr(Journal, "_write", write)
    assert found(monkeypatch)


def test_an_execution_that_counts_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(self: AccountLedger, order: Any, event: OrderFilled) -> None:
        order.executions.pop(event.execution_id, None)
        real(self, order, event)

    real = AccountLedger._fill
    monkeypatch.setattr(AccountLedger, "_fill", fill)
    monkeypatch.setattr(AccountLedger, "says_nothing_new", lambda self, record: False)
    assert found(monkeypatch)
