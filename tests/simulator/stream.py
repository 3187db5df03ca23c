"""The stream of the wire in a simulated world: what is drawn, who takes part, what must come of it.

Publisher and Receiver are the production's. What goes wrong is drawn from the seed: what a stream
has to bear (delay, stalls, stopped processes, slow consumers, full links, late or restarted ends)
must not show in what arrives; what it can't bear must end in the error that names it.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import xxhash
import zmq

from simulator.harms import StreamHarm
from simulator.network import Parts, Pipe, Wires
from simulator.world import Actor, Hang, World
from streams import START_NS, make_records
from tapewire.errors import TapewireError
from tapewire.wire import FileInfo, Publisher, Receiver, StreamInfo, SymbolMapping, Totals
from tapewire.wire import messages as msg
from tapewire.wire.frames import HEADER_BYTES, decode_header

ENDPOINT = "tcp://127.0.0.1:7001"
#: Deadlines of the simulated ends (s): long beside what is borne, short beside a hang.
PEER_S, STALL_S, CONNECT_S = 5.0, 25.0, 30.0
#: Without a record, a batch or a fault for so long, somebody hangs.
IDLE_S = 100.0


class Wrong(AssertionError):
    """The simulation saw what must not be."""


class Taker:
    """One receiver and what it was given."""

    def __init__(self, index: int, delay_s: float) -> None:
        self.index, self.delay_s = index, delay_s
        self.actor: Actor | None = None
        self.count = 0
        self.batches: list[np.ndarray] = []
        self.totals: Totals | None = None
        self.window = 64
        self.sent = self.released = 0
        self.is_ready = False


class StreamRun:
    """One stream, drawn from a seed.

    Parameters
    ----------
    seed : int
    harm : str, optional
        What it shall not bear; "" for nothing, None: drawn.
    """

    def __init__(self, seed: int, harm: str | None = None) -> None:
        self.world = World(seed)
        self.wires = Wires(self.world)
        draw = self.draw = self.world.draw
        self.batch_records = draw.choice((1, 2, 7, 32))
        self.sizes = [draw.randint(1, self.batch_records) for _ in range(draw.randint(1, 30))]
        self.records = make_records(sum(self.sizes))
        self.records["size"] = np.arange(len(self.records)) * 7 % 1_000 + 1
        self.offsets = np.cumsum([0, *self.sizes]).tolist()
        self.slots = draw.choice((1, 2, 4, 64))
        self.credits = draw.choice((1, 2, 3, 5, 64))
        self.payload: Any = draw.choice(("inline", "inline", "inline", "auto", "shared"))
        self.pause_s = draw.choice((0.0, 0.0, 0.01, 3.0, 6.0))
        slow = draw.choice(((0.0,), (0.0, 0.01), (0.0, 0.5), (0.0, 8.0), (8.0,)))
        self.takers = [Taker(k, draw.choice(slow)) for k in range(draw.choice((1, 1, 1, 2, 3)))]
        self.mappings = self._mappings(draw.choice((1,) * 60 + (4_096, 9_000)))
        self.progress_s = self.world.now_s()
        self.is_begun = False
        self.faults: list[str] = []
        self.harm = StreamHarm(self, harm)
        self.wires.alter = self._pass
        self._draw_delays()

    @staticmethod
    def _mappings(count: int) -> tuple[SymbolMapping, ...]:
        return tuple(SymbolMapping(f"S{k}", k, 0, 1) for k in range(count))

    def _draw_delays(self) -> None:
        usual_s = self.draw.choice((0.0, 0.0001, 0.02))
        rare_s = self.draw.choice((0.0, 0.0, 0.5))
        draw = self.draw

        def latency_s() -> float:
            return rare_s if draw.random() < 0.02 else usual_s * draw.random()

        self.wires.latency_s = latency_s

    # --- the two ends ---------------------------------------------------------------------------

    @property
    def info(self) -> StreamInfo:
        """What the publisher announces."""
        file = FileInfo("one.dbn", 1, 3, False, "TEST", 0, 0, len(self.records))
        return StreamInfo(
            "TEST", "mbo", (file,), self.mappings, START_NS, START_NS + 1, self.batch_records,
            None, records=len(self.records),
        )  # fmt: skip

    def publish(self) -> None:
        """The work of the sending process."""
        with Publisher(
            ENDPOINT, receivers=len(self.takers), batch_records=self.batch_records,
            slots=self.slots, payload=self.payload, peer_timeout_s=PEER_S,
            start_timeout_s=CONNECT_S, stall_timeout_s=STALL_S, network=self.wires,
        ) as publisher:  # fmt: skip
            try:
                self.harm.before_handshake(publisher)
                publisher.handshake(self.info)
                self.is_begun = True
                for k, size in enumerate(self.sizes):
                    self.harm.before_batch(publisher, k)
                    if self.pause_s and self.draw.random() < 0.1:
                        publisher.service(self.pause_s)
                    records = self.records[self.offsets[k] : self.offsets[k + 1]]
                    publisher.next_slot()[:size] = records
                    times = records["ts_recv"]
                    publisher.publish(size, int(times[0]), int(times[-1]))
                    self.progress_s = self.world.now_s()
                publisher.finish(self._totals(publisher))
            except TapewireError as error:
                publisher.fail(error)
                raise

    def _totals(self, publisher: Publisher) -> Totals:
        events, batches, first_ts_recv, last_ts_recv, digest = publisher.sent
        file = msg.FileTotals("one.dbn", events, events, 0, None)
        return Totals(
            events, batches, first_ts_recv, last_ts_recv, digest, 0, 0, (file,), 0.0, 0.0, 0.0
        )

    def take(self, taker: Taker) -> None:
        """The work of a receiving process."""
        taker.batches, taker.sent, taker.released, taker.is_ready = [], 0, 0, False
        with Receiver(
            ENDPOINT, payload=self.draw.choice(("auto", self.payload)), credits=self.credits,
            peer_timeout_s=PEER_S, connect_timeout_s=CONNECT_S, stall_timeout_s=STALL_S,
            name=f"taker{taker.index}", network=self.wires,
        ) as receiver:  # fmt: skip
            info = receiver.connect()
            if info.mappings != self.mappings:
                raise Wrong("other symbol mappings arrived than were sent")
            for batch in receiver.batches():
                kept = batch.copy()
                taker.batches.append(kept)
                self.progress_s = self.world.now_s()
                self.harm.at_consumer(receiver, taker)
                if taker.delay_s:
                    self.world.sleep(taker.delay_s * self.draw.random())
                if batch.tobytes() != kept.tobytes():
                    raise Wrong(f"batch {len(taker.batches) - 1} changed while it was in use")
            taker.totals = receiver.totals

    # --- what goes over the links ---------------------------------------------------------------

    def _pass(self, pipe: Pipe, parts: Parts) -> list[Parts]:
        """Look at a message on its way, hold it to the credit, and let faults have it."""
        is_up = pipe.to.kind == zmq.ROUTER
        dealer = pipe.connection.down.to.owner
        taker = next((t for t in self.takers if t.actor is dealer), None)
        if taker is None:
            return [parts]
        if len(parts[0]) == HEADER_BYTES and parts[0].startswith(b"TWB"):
            name, taker.sent = "batch", taker.sent + 1
            if taker.sent - taker.released > taker.window:
                raise Wrong(
                    f"{taker.sent - taker.released} batches under way to taker {taker.index}, "
                    f"{taker.window} granted"
                )
        else:
            message = msg.decode_message(parts[0], bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
            name = type(message).__name__
            if isinstance(message, msg.Welcome):
                taker.window = message.window
            elif isinstance(message, msg.Credit):
                taker.released = message.released
            elif isinstance(message, msg.Ready):
                taker.is_ready = True
        self.world.note(name, is_up, taker.index)
        return self.harm.alter(pipe, parts, name, taker)

    # --- what has to be borne -------------------------------------------------------------------

    def _draw_disturbances(self, actors: list[Actor]) -> None:
        """Stalls and stopped processes, one after the other: silence of less than `PEER_S`."""
        world, draw = self.world, self.draw
        at_s = world.now_s()
        for _ in range(draw.choice((0, 0, 1, 2, 4))):
            at_s += draw.choice((0.001, 0.5, 3.0, 20.0)) * draw.random()
            seconds = 2.5 * draw.random()
            if draw.random() < 0.5:
                actor = draw.choice(actors)
                self.faults.append(f"{actor.name} stopped for {seconds:.2f} s")
                world.at(at_s, lambda a=actor, s=seconds: world.freeze(a, s))
            else:
                self.faults.append(f"links stalled for {seconds:.2f} s")
                world.at(at_s, lambda s=seconds: [self.wires.stall(c, s) for c in self.wires.open])
            at_s += seconds + 3.0

    def start_taker(self, taker: Taker, after_s: float = 0.0) -> None:
        """Have a receiving process begin, for the first time or again."""
        taker.count += 1
        name = f"taker{taker.index}.{taker.count}"
        taker.actor = self.world.start(name, lambda: self.take(taker), after_s)

    def play(self) -> str:
        """Play it and look at what came of it; return the digest of what all have received.

        Raises
        ------
        Wrong
            If that is not as it must be.
        """
        draw = self.draw
        self.sender = self.world.start("sender", self.publish, draw.choice((0, 0, 0.5, 8.0)))
        for taker in self.takers:
            self.start_taker(taker, draw.choice((0, 0, 0.1, 2.0)))
        self._draw_disturbances([self.sender, *(t.actor for t in self.takers if t.actor)])
        self.harm.begin()
        try:
            self.world.run(lambda: max(self.progress_s, self.harm.happened_s) + IDLE_S)
            self._check()
        except (Wrong, Hang) as error:
            error.add_note(f"harm: {self.harm}; borne: {self.faults or 'nothing'}")
            error.add_note(
                "ends: " + "; ".join(f"{a.name}: {a.error!r}" for a in self.world.actors)
            )
            raise
        return xxhash.xxh3_128_hexdigest(self.records.tobytes())

    # --- what must come of it -------------------------------------------------------------------

    def twin_digest(self) -> str:
        """The digest of the stream as its definition says, worked out from the records alone."""
        digest = xxhash.xxh3_128()
        for k, size in enumerate(self.sizes):
            data = self.records[self.offsets[k] : self.offsets[k + 1]].tobytes()
            digest.update(struct.pack("<QIQ", k, size, xxhash.xxh3_64_intdigest(data)))
        return str(digest.hexdigest())

    def _check(self) -> None:
        for actor in self.world.actors:
            if isinstance(actor.error, Wrong):
                raise actor.error
            if actor.error is not None and not isinstance(actor.error, TapewireError):
                raise Wrong(f"{actor.name} crashed") from actor.error
        for taker in self.takers:
            self._check_taken(taker)
            assert taker.actor is not None
            if taker.actor.error is None and not taker.actor.is_dead and taker.totals is None:
                raise Wrong(f"{taker.actor.name} is content without the end of the stream")
        if self.sender.error is None and not self.sender.is_dead:
            for taker in self.takers:
                if taker.totals is None:
                    raise Wrong(f"the sender is content, taker {taker.index} has not got it all")
        if self.harm.has_happened:
            self.harm.check()
        else:
            for actor in self.world.actors:
                if actor.error is not None:
                    raise Wrong(f"what has to be borne ended {actor.name}: {actor.error}")
        if self.wires.bound or any(a.sockets for a in self.world.actors):
            raise Wrong("a socket was left open")

    def _check_taken(self, taker: Taker) -> None:
        """What arrived is the begin of what was sent, batch by batch, and all of it at the end."""
        for k, batch in enumerate(taker.batches):
            sent = (
                self.records[self.offsets[k] : self.offsets[k + 1]] if k < len(self.sizes) else ()
            )
            if self.harm.has_altered(taker, k) and taker.totals is None:
                continue  # the end of the stream has told it
            if len(sent) != len(batch) or sent.tobytes() != batch.tobytes():  # type: ignore[union-attr]
                raise Wrong(f"taker {taker.index} was given another batch {k} than was sent")
        if taker.totals is not None:
            if len(taker.batches) != len(self.sizes):
                raise Wrong(f"taker {taker.index} is content with {len(taker.batches)} batches")
            if taker.totals.digest != self.twin_digest():
                raise Wrong("the digest of the stream is not that of its batches")


Alter = Callable[[Pipe, Parts], list[Parts]]


def sequence_of(parts: Parts) -> int:
    """The number of a batch on its way."""
    return decode_header(parts[0]).sequence
