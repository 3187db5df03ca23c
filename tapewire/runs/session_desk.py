"""Where a session is looked at while it goes, and told what to do.

What is seen and what is wished goes to and comes from somewhere else in a thread of its own; the
session itself only leaves a state here and takes a wish, between two batches or while it waits.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from tapewire.errors import TapewireError
from tapewire.execution.codes import Reason
from tapewire.runs.holding import Holds
from tapewire.runs.hooks import FeedStanding, Hooks, RunProgress
from tapewire.runs.session_state import state_of, state_text
from tapewire.runs.turns import Turns

if TYPE_CHECKING:
    from tapewire.router import Look, Simulation
    from tapewire.runs.feed import OrderGate
    from tapewire.wire.receiver import Hops

#: Of `""` (nothing yet), `go`, `pause`, `stop`, `kill`.
Wish = str
#: Takes a new state (None: nothing new) and returns the wish, and whether anybody looks.
Exchange = Callable[[str | None], tuple[Wish, bool]]
#: Between two states, s: while somebody looks, and while nobody does.
SEEN_S: Final = 0.25
UNSEEN_S: Final = 5.0
#: A state, which takes about 2 ms, is followed by so many times as long without one.
_TIMES_REST: Final = 20
#: A killed session's orders are given so long to be canceled, and asked for so often, s.
KILL_S: Final = 10.0
_AGAIN_S: Final = 1.0


class SessionDesk:
    """One session, as it is seen and as it is told.

    Used in a ``with``, in which the other side is spoken with.

    Parameters
    ----------
    exchange
        Called four times a second, in a thread.
    ends_s
        How long after its first record the session is stopped, as if that was wished; None: never.
    clock
        Seconds.
    """

    def __init__(
        self, exchange: Exchange, *, ends_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._ends_s = ends_s
        self.holds = Holds()
        self._exchange, self._clock = exchange, clock
        self._gate: OrderGate | None = None
        self._end_data: Callable[[], bool] = lambda: False
        self._simulation: Simulation | None = None
        self._look: Look | None = None
        self._turns, self._is_seen = Turns(SEEN_S, _TIMES_REST), True
        self._next_unseen_s = 0.0
        self._state: str | None = None
        self._last: RunProgress | None = None
        self._wish: Wish = ""
        self._done: Wish = ""
        self._is_simulating = self._has_ended_data = False
        self._killed_s = self._asked_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._speak, name="tapewire-session", daemon=True)

    def __enter__(self) -> Self:
        from tapewire.router import load_withdrawing

        load_withdrawing()  # who kills a session does not wait for a compiler
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._say()

    # --- the session's own side -----------------------------------------------------------------

    def attend(
        self, simulation: "Simulation", gate: "OrderGate | None", end_data: Callable[[], bool]
    ) -> None:
        """Take the simulation, what else stands before its orders, and what ends its data."""
        self._simulation, self._look, self._gate = simulation, simulation.look(), gate
        self._end_data = end_data
        self._ends_s = None if self._ends_s is None else self._clock() + self._ends_s
        self.holds.attend(simulation)

    def before(self, hops: "Sequence[Hops]", last_ns: int) -> None:
        """A batch has come; see `tapewire.runs.feed.OrderGate`."""
        self.obey()
        self._is_simulating = True
        if self._gate is not None:
            self._gate.before(hops, last_ns)

    def after(self, hops: "Sequence[Hops]", simulate_ns: int) -> int:
        """It was simulated; see `tapewire.runs.feed.OrderGate`."""
        self._is_simulating = False
        return 0 if self._gate is None else self._gate.after(hops, simulate_ns)

    def end(self) -> None:
        """The data are over; see `tapewire.runs.feed.OrderGate`. A last state is left."""
        self._leave(self._last)
        if self._gate is not None:
            self._gate.end()

    def standing(self) -> FeedStanding:
        """Say how the feed is; of files, that they come."""
        if self._gate is None:
            return FeedStanding("live", bool(self.holds.reasons), 0, 0, None)
        return self._gate.standing()

    def heard_by(self, hooks: Hooks) -> Hooks:
        """Return the hooks of a run whose progress this hears, too."""
        told = hooks.progress

        def progress(progress: RunProgress) -> None:
            self.progress(progress)
            told(progress)

        return dataclasses.replace(hooks, progress=progress)

    def progress(self, progress: RunProgress) -> None:
        """Leave a state, if it is time."""
        self._last = progress
        if self._look is None or not self._turns.begin():
            return
        if not self._is_seen and self._clock() < self._next_unseen_s:
            return
        self._next_unseen_s = self._clock() + UNSEEN_S
        self._leave(progress)
        self._turns.end()

    def _leave(self, progress: RunProgress | None) -> None:
        if progress is not None and self._look is not None:
            state = state_of(progress, self._look, self.holds.reasons, self.phase)
            self._state = state_text(state)

    def obey(self) -> None:
        """Do what is wished. It may be called as often as one likes, in the session's thread."""
        if self._simulation is None or self._is_simulating:
            return
        wish = self._wish
        if self._ends_s is not None and wish != "kill" and self._clock() >= self._ends_s:
            wish = "stop"
        if wish != self._done:
            self._done = wish
            if wish == "kill":
                self._killed_s = self._clock()
                self.holds.hold("killed", "the session was killed", Reason.HELD)
            else:
                why = "the session is paused" if wish == "pause" else ""
                self.holds.hold("paused", why, Reason.HELD)
        if wish == "kill":
            self._withdraw(self._simulation)
        elif wish == "stop":
            self._end()

    @property
    def phase(self) -> str:
        """``trading``, ``ending`` or ``killed``."""
        if self._done == "kill":
            return "killed"
        return "ending" if self._done == "stop" else "trading"

    def _withdraw(self, simulation: "Simulation") -> None:
        """Have open orders canceled, and end the data once none is left, or it takes too long."""
        assert self._look is not None
        now_s = self._clock()
        is_open = bool(self._look.orders())
        if not self._asked_s or (is_open and now_s - self._asked_s >= _AGAIN_S):
            self._asked_s = now_s
            simulation.withdraw_orders()
            return  # what is on its way may rest yet
        if not is_open or now_s - self._killed_s >= KILL_S:
            self._end()

    def _end(self) -> None:
        if not self._has_ended_data:
            self._has_ended_data = self._end_data()

    # --- the other side -------------------------------------------------------------------------

    def _speak(self) -> None:
        while not self._is_over.wait(SEEN_S):
            self._say()

    def _say(self) -> None:
        state, self._state = self._state, None
        # Who is away is asked again; who looks sees how old the last state is.
        with contextlib.suppress(TapewireError):
            self._wish, self._is_seen = self._exchange(state)
