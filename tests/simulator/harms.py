"""What a stream can't bear, when it happens, and the error that has to name it."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.network import Parts, Pipe
from tapewire.errors import NoDataError
from tapewire.market.records import MBO_DTYPE
from tapewire.wire import Publisher, Receiver
from tapewire.wire.frames import decode_header, encode_header, payload_checksum
from tapewire.wire.messages import Heartbeat

if TYPE_CHECKING:
    from simulator.stream import StreamRun, Taker

#: Faults of one batch on its way to one receiver.
OF_BATCHES = ("drop", "twice", "swap", "alter")
#: Control messages that may be lost, and what the receiver and the sender say then; empty: nothing.
LOST_MESSAGES = {
    "Hello": ("nobody answered", "expected . receivers"),
    "Welcome": ("expected a ready after the welcome", "expected . receivers"),
    "Ready": ("expected a ready after the welcome", "expected . receivers"),
    "More": ("expected a ready after the welcome", "expected . receivers"),
    "Mappings": ("expected a ready after the welcome", "expected . receivers"),
    "Credit": ("|sent nothing of the stream|consumed nothing", "|consumed nothing|left after"),
    "End": ("sent nothing of the stream|has not confirmed the end|is gone", "not confirmed|left"),
    "Goodbye": ("", "is gone: its connection closed|fell silent"),
    "Heartbeat": ("", ""),
}
_GONE = "is gone|fell silent|nobody answered|left after|expected . receivers|did not begin"
#: Faults of processes and links: the same. Who is killed says nothing.
OF_PROCESSES = {
    "kill sender": (f"|{_GONE}", ""),
    "kill receiver": ("", f"{_GONE}|consumed nothing"),
    "stop sender": (f"|{_GONE}", f"|{_GONE}|{_GONE}"),
    "stop receiver": (f"|{_GONE}|consumed nothing", f"|{_GONE}|consumed nothing"),
    "cut": (f"|{_GONE}", f"|{_GONE}"),
    "stuck consumer": (
        f"|{_GONE}|consumed nothing|not confirmed",
        "consumed nothing|not confirmed",
    ),
    "repeated credit": (f"|{_GONE}|consumed nothing|not confirm", "consumed nothing|not confirmed"),
    "only heartbeats": (f"|{_GONE}|consumed nothing|not confirm", "consumed nothing|not confirmed"),
    "stuck source": ("has sent nothing of the stream for 25 s|left after", "left after"),
    "silent source": ("fell silent for 5 s", "left after|is gone"),
    "no welcome": ("nobody answered", "expected . receivers"),
    "failed source": ("the file is cut", "the file is cut"),
    "leaving": ("nothing more is wanted", "left after batch .*: it closed the stream"),
}
KINDS = (*OF_BATCHES * 2, *OF_PROCESSES, *(f"lost {name}" for name in LOST_MESSAGES))
#: Longer than every deadline of the simulated ends (s).
_LONG_S = 60.0


class StreamHarm:
    """One thing that goes wrong with a stream, or nothing.

    Attributes
    ----------
    has_happened : bool
        Whether it has come to it.
    happened_s : float
    """

    def __init__(self, run: "StreamRun", kind: str | None) -> None:
        draw = run.draw
        if kind is None:
            kind = (
                draw.choice(("", "", "", "restart")) if draw.random() < 0.5 else draw.choice(KINDS)
            )
        self.kind = kind
        self.taker: Taker = draw.choice(run.takers)
        self.batch = draw.randrange(len(run.sizes))
        self.after_s = draw.choice((0.0, 0.001, 0.1, 3.0, 30.0)) * draw.random()
        self.has_happened = False
        self.happened_s = 0.0
        self._countdown = draw.choice((0, 0, 1, 5))
        self._held: Parts | None = None
        self._run = run

    def __str__(self) -> str:
        return f"{self.kind or 'none'} (receiver {self.taker.index}, batch {self.batch})"

    def _happen(self) -> None:
        self.has_happened = True
        self.happened_s = self._run.world.now_s()
        self._run.world.note("harm", self.kind)

    # --- to processes and links -----------------------------------------------------------------

    def begin(self) -> None:
        """Have what hangs on a time come at it."""
        kind, run = self.kind, self._run
        whom = {"kill sender": 0, "kill receiver": 1, "stop sender": 0, "stop receiver": 1}
        if kind in whom or kind in ("cut", "restart"):
            world = run.world
            world.at(world.now_s() + self.after_s, lambda: self._strike(whom.get(kind, 1)))

    def _strike(self, end: int) -> None:
        run, world = self._run, self._run.world
        actor = (run.sender, self.taker.actor)[end]
        assert actor is not None
        if actor.ended_s is not None:
            return
        if self.kind == "restart":
            if not self.taker.is_ready:  # else the stream may have begun with it
                world.kill(actor)
                run.faults.append(f"taker {self.taker.index} restarted")
                run.start_taker(self.taker, run.draw.choice((0.0, 1.0)))
            return
        self._happen()
        if self.kind.startswith("kill"):
            world.kill(actor)
            return
        # A host that hears nothing for so long closes the connection: its heartbeats are libzmq's.
        sockets = list(actor.sockets)
        if self.kind.startswith("stop"):
            world.freeze(actor, _LONG_S)
        for connection in [c for socket in sockets for c in socket.connections.values()]:
            run.wires.stall(connection, _LONG_S)
            world.at(world.now_s() + 5.0, lambda c=connection: run.wires.cut(c))

    def before_handshake(self, publisher: Publisher) -> None:
        """In the sender, before it welcomes anybody."""
        if self.kind == "no welcome":
            self._happen()
            publisher.service(_LONG_S)

    def before_batch(self, publisher: Publisher, k: int) -> None:
        """In the sender, before a batch."""
        if k != self.batch or self.kind not in ("stuck source", "silent source", "failed source"):
            return
        self._happen()
        if self.kind == "stuck source":
            publisher.service(10 * _LONG_S)
        elif self.kind == "silent source":
            self._run.world.sleep(_LONG_S)
        else:
            raise NoDataError("the file is cut")

    def at_consumer(self, receiver: Receiver, taker: "Taker") -> None:
        """In a receiver, behind a batch."""
        if taker is not self.taker or len(taker.batches) - 1 != self.batch:
            return
        if self.kind == "stuck consumer":
            self._happen()
            self._run.world.sleep(_LONG_S)
        elif self.kind in ("repeated credit", "only heartbeats"):
            self._happen()
            for _ in range(round(_LONG_S)):
                if self.kind == "only heartbeats":
                    receiver._sender.say(Heartbeat())
                else:
                    receiver._give_back()
                self._run.world.sleep(1.0)
        elif self.kind == "leaving":
            self._happen()
            raise NoDataError("nothing more is wanted")

    # --- to messages ----------------------------------------------------------------------------

    def alter(self, pipe: Pipe, parts: Parts, name: str, taker: "Taker") -> list[Parts]:
        """What goes on in place of a message."""
        if self._held is not None and taker is self.taker and name in ("batch", "End"):
            held, self._held = self._held, None
            return [parts, held]
        if taker is not self.taker or self.has_happened:
            return [parts]
        if self.kind == f"lost {name}":
            self._countdown -= 1
            if self._countdown >= 0 and name in ("Credit", "Heartbeat"):
                return [parts]
            self._happen()
            return []
        if name == "batch" and self.kind in OF_BATCHES:
            if decode_header(parts[0]).sequence != self.batch:
                return [parts]
            return self._alter_batch(parts)
        return [parts]

    def _alter_batch(self, parts: Parts) -> list[Parts]:
        if self.kind == "alter" and len(parts) == 1:
            return [parts]  # what lies in shared memory does not travel
        self._happen()
        if self.kind == "drop":
            return []
        if self.kind == "twice":
            return [parts, parts]
        if self.kind == "swap":
            self._held = parts
            return []
        records = np.frombuffer(parts[1], MBO_DTYPE).copy()
        records["size"][-1] += 1
        header = decode_header(parts[0])._replace(checksum=payload_checksum(records))
        return [[encode_header(header), records.tobytes()]]

    def has_altered(self, taker: "Taker", k: int) -> bool:
        """Whether a batch was made another one on its way, with checksums that fit."""
        return self.kind == "alter" and taker is self.taker and k == self.batch

    # --- what must come of it -------------------------------------------------------------------

    def _expected(self) -> tuple[str, str]:
        """What the receiver and the sender say, as patterns; an empty part: maybe nothing."""
        if self.kind.startswith("lost "):
            return LOST_MESSAGES[self.kind[5:]]
        if self.kind in OF_PROCESSES:
            return OF_PROCESSES[self.kind]
        return self._expected_of_batch(), "left after batch|is gone|not confirmed|consumed nothing"

    def _expected_of_batch(self) -> str:
        run, k = self._run, self.batch
        last = k == len(run.sizes) - 1
        if self.kind == "twice":
            return (
                f"a duplicate or reorder in the stream: expected batch sequence {k + 1} at record "
                f"offset {run.offsets[k + 1]}, found sequence {k} at offset {run.offsets[k]}"
            )
        if self.kind == "alter" or last:
            return r"the stream ends with totals \(events"
        if self.taker.window == 1:  # nothing more is sent without its credit
            return "sent nothing of the stream for 25 s|consumed nothing for 25 s"
        return (
            f"a gap in the stream: expected batch sequence {k} at record offset {run.offsets[k]}, "
            f"found sequence {k + 1} at offset {run.offsets[k + 1]}"
        )

    def check(self) -> None:
        """Look whether what was said is what has to be."""
        from simulator.stream import Wrong

        run = self._run
        assert self.taker.actor is not None
        says: Callable[[Any], str] = lambda error: "" if error is None else str(error)  # noqa: E731
        taker, sender = says(self.taker.actor.error), says(run.sender.error)
        for who, actor, said, pattern in zip(
            ("the receiver", "the sender"), (self.taker.actor, run.sender), (taker, sender),
            self._expected(), strict=True,
        ):  # fmt: skip
            if actor.is_dead:
                continue
            maybe_nothing = pattern.startswith("|") or not pattern
            if self.kind == "silent source" and any(t.delay_s for t in run.takers):
                maybe_nothing = True  # who has enough to do does not listen
            if len(run.takers) > 1 and pattern:  # another one may be the first to say so
                pattern += "|left after|sent nothing of the stream"
            fits = re.search(pattern.lstrip("|"), said) if pattern.lstrip("|") else not said
            if not (fits or (maybe_nothing and not said)):
                raise Wrong(f"after {self} {who} had to say {pattern!r}, said {said!r}")
