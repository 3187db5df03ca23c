"""The stream of the wire under a virtual clock: faults leave no trace, or end it by name.

What is planted into the production code here, the simulation has to see: it is worth what it sees.
"""

import math
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from seeds import GIVEN, play_seeds
from simulator.harms import KINDS
from simulator.stream import StreamRun, Wrong
from simulator.world import Hang
from tapewire.wire import Receiver
from tapewire.wire import messages as msg
from tapewire.wire.checks import StreamChecker
from tapewire.wire.credit import CreditWindow
from tapewire.wire.frames import StreamDigest
from tapewire.wire.joining import Joining
from tapewire.wire.peers import Peer
from tapewire.wire.publisher import Publisher

#: How many seeds the long form plays.
SEEDS = int(os.environ.get("TAPEWIRE_SIMULATED_STREAMS", "14000"))


def play_again(seed: int) -> None:
    """Play one seed; a failure says the line that plays it alone."""
    try:
        StreamRun(seed).play()
    except AssertionError as error:
        error.add_note(f"again: {GIVEN}={seed} make test-long ARGS='-k thousands_of_streams'")
        raise


def test_a_hundred_streams() -> None:
    for seed in range(100):
        play_again(seed)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_thousands_of_streams() -> None:
    play_seeds("thousands_of_streams", SEEDS, lambda seed: StreamRun(seed).play())


@pytest.mark.long
@pytest.mark.parametrize("harm", sorted({*KINDS, "restart"}))
def test_every_harm_happens_and_is_named(harm: str) -> None:
    happened = 0
    for seed in range(60):
        run = StreamRun(seed, harm)
        run.play()
        happened += run.harm.has_happened or "restarted" in " ".join(run.faults)
    assert happened > 0


def test_a_seed_is_played_again_to_the_same_turn() -> None:
    for seed in (3, 4, 5):
        runs = [StreamRun(seed) for _ in range(2)]
        assert runs[0].play() == runs[1].play()
        assert runs[0].world.trace == runs[1].world.trace
    assert StreamRun(6).world.trace == StreamRun(7).world.trace  # nothing has happened yet
    assert runs[0].world.trace != StreamRun(5).world.trace


def test_whatever_is_borne_the_digest_is_the_clean_one() -> None:
    """One stream, once in peace and then under whatever it has to bear."""
    for seed in range(10):
        run = StreamRun(seed, "")
        clean = run.play()
        received = [np.concatenate(taker.batches) for taker in run.takers]
        assert all(records.tobytes() == run.records.tobytes() for records in received)
        again = StreamRun(seed, "restart")
        assert again.play() == clean


def test_a_slow_consumer_is_given_its_time() -> None:
    """A batch takes it long, all of them longer than any deadline: it was given up once.

    What it is done with was told by halves of the window, and the end of the stream had one
    deadline for all that was still to be consumed.
    """
    run = next(run for run in map(StreamRun, range(100), [""] * 100) if len(run.sizes) > 25)
    run.credits = run.slots = 64
    run.takers = run.takers[:1]
    run.takers[0].delay_s = 16.0
    run.play()


# --- planted faults ------------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def batch_dropped_by_sender(patch: pytest.MonkeyPatch) -> None:
    real = Publisher._send

    def send(self: Publisher, peer: Peer, frames: list[Any]) -> None:
        if len(frames) < 2 or self._sequence != 3:
            real(self, peer, frames)

    patch.setattr(Publisher, "_send", send)


def _batches_as(patch: pytest.MonkeyPatch, order: Callable[[list[Any]], list[Any]]) -> None:
    """Have a receiver hand out its batches in another way than they have come."""
    real = Receiver.batches

    def batches(self: Receiver) -> Iterator[Any]:
        yield from order([batch.copy() for batch in real(self)])

    patch.setattr(Receiver, "batches", batches)


def batch_dropped_by_receiver(patch: pytest.MonkeyPatch) -> None:
    _batches_as(patch, lambda batches: batches[:2] + batches[3:])


def pair_swapped_by_receiver(patch: pytest.MonkeyPatch) -> None:
    _batches_as(patch, lambda batches: batches[:1] + batches[1:3][::-1] + batches[3:])


def queue_off_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CreditWindow, "open", property(lambda s: s.sent - s.released <= s.window))

    def spend(self: CreditWindow) -> None:
        self.sent += 1

    patch.setattr(CreditWindow, "spend", spend)


def credit_lost(patch: pytest.MonkeyPatch) -> None:
    real = Receiver._give_back

    def give_back(self: Receiver) -> None:
        if self._credit.released == 2:
            self._credit.told()
        else:
            real(self)

    patch.setattr(Receiver, "_give_back", give_back)


def heartbeat_of_sender_extends(patch: pytest.MonkeyPatch) -> None:
    real = Receiver._control

    def control(self: Receiver, frames: list[Any]) -> bool:
        self._patience.renew(self._now_s())
        return real(self, frames)

    patch.setattr(Receiver, "_control", control)


def heartbeat_of_receiver_extends(patch: pytest.MonkeyPatch) -> None:
    real = Publisher._take

    def take(self: Publisher, identity: bytes, connection: int | None, message: Any) -> None:
        real(self, identity, connection, message)
        if isinstance(message, msg.Heartbeat) and (peer := self._seats.find(identity)):
            peer.patience.renew(self._now_s())

    patch.setattr(Publisher, "_take", take)


def credit_said_again_extends(patch: pytest.MonkeyPatch) -> None:
    real = Peer.release

    def release(self: Peer, released: int, now_s: float) -> None:
        real(self, released, now_s)
        self.patience.renew(now_s)

    patch.setattr(Peer, "release", release)


def welcome_has_no_deadline(patch: pytest.MonkeyPatch) -> None:
    real = Joining._next

    def next_message(self: Joining, *notice_s: float) -> Any:
        self._deadline_s = math.inf
        return real(self, *notice_s)

    patch.setattr(Joining, "_next", next_message)


def _digest_of(patch: pytest.MonkeyPatch, layout: str, *names: str) -> None:
    def add(self: StreamDigest, header: Any) -> None:
        self._hash.update(struct.pack(layout, *(getattr(header, name) for name in names)))

    patch.setattr(StreamDigest, "add", add)


def digest_without_sequence(patch: pytest.MonkeyPatch) -> None:
    _digest_of(patch, "<IQ", "record_count", "checksum")


def digest_without_count(patch: pytest.MonkeyPatch) -> None:
    _digest_of(patch, "<QQ", "sequence", "checksum")


def digest_without_checksum(patch: pytest.MonkeyPatch) -> None:
    _digest_of(patch, "<QI", "sequence", "record_count")


def no_check_of_sequence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StreamChecker, "require_next", lambda self, header: None)


def no_check_of_totals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StreamChecker, "require_totals", lambda self, totals, info: None)


@pytest.mark.parametrize(
    ("plant", "harm", "seen"),
    [
        (batch_dropped_by_sender, "", "what has to be borne ended sender"),
        (batch_dropped_by_receiver, "", "was given another batch 2 than was sent|content with"),
        (pair_swapped_by_receiver, "", "was given another batch 1 than was sent"),
        (queue_off_by_one, "", "batches under way to taker ., . granted"),
        (credit_lost, "", "what has to be borne ended sender"),
        (heartbeat_of_sender_extends, "stuck source", "sender, taker.* had not ended"),
        (heartbeat_of_receiver_extends, "only heartbeats", "the sender had to say"),
        (credit_said_again_extends, "repeated credit", "the sender had to say"),
        (welcome_has_no_deadline, "lost Hello", "taker.* had not ended"),
        (digest_without_sequence, "", "the digest of the stream is not that of its batches"),
        (digest_without_count, "", "the digest of the stream is not that of its batches"),
        (digest_without_checksum, "alter", "was given another batch|is not that of its batches"),
        (no_check_of_sequence, "swap", "was given another batch .* than was sent|'a gap in"),
        (no_check_of_sequence, "twice", "was given another batch .* than was sent|'a dup"),
        (no_check_of_totals, "alter", "was given another batch"),
    ],
)
def test_a_planted_fault_is_seen(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, harm: str, seen: str
) -> None:
    plant(monkeypatch)
    with pytest.raises((Wrong, Hang), match=seen):
        _play_all(harm)


def _play_all(harm: str) -> None:
    for seed in range(200):
        StreamRun(seed, harm).play()
