"""The bridge to a model under a virtual clock: the same signals, or a model that is lost by name.

What is planted into the production code here, the simulation has to see.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from seeds import GIVEN, play_seeds
from simulator.bridge import KINDS, BridgeRun
from simulator.stream import Wrong
from simulator.world import Hang
from tapewire.bridge import protocol as msg
from tapewire.bridge.desk import Desk
from tapewire.bridge.dialogue import Dialogue
from tapewire.bridge.line import ModelLine
from tapewire.bridge.outbox import Outbox, OutboxItem

#: How many seeds the long form plays.
SEEDS = int(os.environ.get("TAPEWIRE_SIMULATED_BRIDGES", "6000"))


def test_a_hundred_bridges() -> None:
    for seed in range(100):
        try:
            BridgeRun(seed).play()
        except AssertionError as error:
            error.add_note(f"again: {GIVEN}={seed} make test-long ARGS='-k thousands_of_bridges'")
            raise


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_thousands_of_bridges() -> None:
    play_seeds("thousands_of_bridges", SEEDS, lambda seed: BridgeRun(seed).play())


@pytest.mark.long
@pytest.mark.parametrize("harm", KINDS)
def test_every_harm_happens_and_is_named(harm: str) -> None:
    happened = 0
    for seed in range(60):
        run = BridgeRun(seed, harm)
        run.play()
        happened += run.has_happened
    assert happened > 0


def test_a_seed_is_played_again_to_the_same_turn() -> None:
    runs = [BridgeRun(seed) for seed in (3, 4, 5) for _ in range(2)]
    for one, same in zip(runs[::2], runs[1::2], strict=True):
        assert one.play() == same.play()
        assert one.taken == same.taken
        assert one.world.trace == same.world.trace
    assert len({run.world.trace for run in runs}) == 3


# --- planted faults ------------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def answer_lost(patch: pytest.MonkeyPatch) -> None:
    real = Desk.take_signals
    patch.setattr(Desk, "take_signals", lambda self: real(self)[1:])


def answers_swapped(patch: pytest.MonkeyPatch) -> None:
    real = Desk.take_signals
    patch.setattr(Desk, "take_signals", lambda self: [some[::-1] for some in real(self)])


def due_one_row_late(patch: pytest.MonkeyPatch) -> None:
    real = Outbox.effect_of
    patch.setattr(Outbox, "effect_of", lambda self, row, none: real(self, row + 1, none))


def rows_sent_off_by_one(patch: pytest.MonkeyPatch) -> None:
    real = OutboxItem.from_row
    patch.setattr(OutboxItem, "from_row", lambda self, row: real(self, row + 1))


def update_lost(patch: pytest.MonkeyPatch) -> None:
    real = Desk.tell
    patch.setattr(Desk, "tell", lambda self, updates: real(self, updates[1:]))


def message_forgotten_too_soon(patch: pytest.MonkeyPatch) -> None:
    real = Outbox.forget
    patch.setattr(Outbox, "forget", lambda self, row, has_state: real(self, row, has_state=False))


def sequence_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Answers are taken for whichever rows are next, as rows are by the model."""
    rows_not_checked(patch)
    real = Desk._take_answer

    def take(self: Desk, message: Any, arrays: Any) -> None:
        real(self, msg.SignalBatch(self._heard_row, *message.__reduce__()[1][1:]), arrays)

    patch.setattr(Desk, "_take_answer", take)


def rows_not_checked(patch: pytest.MonkeyPatch) -> None:
    real = Dialogue._answer

    async def answer(self: Dialogue, caller: Any, message: Any, arrays: Any) -> None:
        self.next_row = message.first_row
        await real(self, caller, message, arrays)

    patch.setattr(Dialogue, "_answer", answer)


def heartbeat_extends(patch: pytest.MonkeyPatch) -> None:
    """While there is word between the ends, the run waits for an answer."""
    real = ModelLine.keep_up

    def keep_up(self: ModelLine) -> None:
        real(self)
        self.has_said_so = True

    def require_progress(self: Desk) -> None:
        if getattr(self.line, "has_said_so", False):
            self._progress_s = self._now_s()
        real_require(self)

    real_require = Desk._require_progress
    patch.setattr(ModelLine, "keep_up", keep_up)
    patch.setattr(Desk, "_require_progress", require_progress)


PLANTED = [
    (answer_lost, "", "signals are due|signal . is|content with"),
    (answers_swapped, "", "signal . is"),
    (due_one_row_late, "", "the next signals are due at"),
    (rows_sent_off_by_one, "failing model", "what has to be borne|signal .* is|names nothing"),
    (update_lost, "", "signal .* is|signals are due"),
    (message_forgotten_too_soon, "failing model", "signal .* is|signals are due"),
    (sequence_not_checked, "twice signals", "signal .* is|signals are due"),
    (sequence_not_checked, "lost signals", "signal .* is|signals are due"),
    (sequence_not_checked, "lost features", "signal .* is|signals are due"),
    (heartbeat_extends, "lost signals", "had not ended"),
]


@pytest.mark.parametrize(("plant", "harm", "seen"), PLANTED)
def test_a_planted_fault_is_seen(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, harm: str, seen: str
) -> None:
    plant(monkeypatch)
    with pytest.raises((Wrong, Hang), match=seen):
        _play_all(harm)


def _play_all(harm: str) -> None:
    for seed in range(200):
        BridgeRun(seed, harm).play()
