"""One process, a virtual clock, actors that take turns: the same seed gives the same run.

An actor is a function that runs as if it had a process of its own; where it waits, the others go
on. Nothing happens between two events, so an hour of waiting takes as long as there are events in
it. What is drawn is drawn from the world's own generator.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import xxhash
from greenlet import GreenletExit, getcurrent, greenlet

#: Turns of one world; more are an endless loop.
TURNS_MAX = 400_000


class Hang(AssertionError):
    """Somebody was still at work when everything had to be over."""


class Actor:
    """One process of a world.

    Attributes
    ----------
    error : BaseException or None
        What it ended with.
    ended_s : float or None
        When it did.
    """

    def __init__(self, world: "World", name: str, work: Callable[[], Any]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.ended_s: float | None = None
        self.is_dead = False
        self.frozen_until_s = 0.0
        self.sockets: list[Any] = []
        self._world = world
        self._work = work
        self.turn = 0  # of its waits, so that a late alarm of an earlier one wakes nobody
        self.thread = greenlet(self._run, parent=world.loop)

    def _run(self) -> None:
        try:
            self._work()
        except GreenletExit:
            pass
        except BaseException as error:
            self.error = error
        self.ended_s = self._world.now_s()
        self._world.note(self.name, "ended", type(self.error).__name__)


class World:
    """The clock, the actors and what is to happen.

    Parameters
    ----------
    seed : int
        Of all that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.actors: list[Actor] = []
        self.loop = getcurrent()
        self._now_s = 1_000.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._trace = xxhash.xxh3_128()
        self._current: Actor | None = None

    # --- time -----------------------------------------------------------------------------------

    def now_s(self) -> float:
        """The virtual time, s."""
        return self._now_s

    def now_ns(self) -> int:
        """The virtual time, ns."""
        return round(self._now_s * 1e9)

    def at(self, time_s: float, call: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._heap, (max(time_s, self._now_s), next(self._order), call))

    def note(self, *what: object) -> None:
        """Take something into the trace, which is the same for the same seed."""
        self._trace.update(f"{self._now_s:.9f} {what}\n".encode())

    @property
    def trace(self) -> str:
        """A digest of all that has happened, and when."""
        return str(self._trace.hexdigest())

    # --- actors ---------------------------------------------------------------------------------

    @property
    def current(self) -> Actor:
        """Whose turn it is."""
        assert self._current is not None, "nobody's turn"
        return self._current

    def start(self, name: str, work: Callable[[], Any], after_s: float = 0.0) -> Actor:
        """Have an actor begin."""
        actor = Actor(self, name, work)
        self.actors.append(actor)
        self._wake_at(actor, self._now_s + after_s)
        return actor

    def sleep(self, seconds: float) -> None:
        """The current actor does something else for so long, and hears nothing."""
        until_s = self._now_s + seconds
        while self._now_s < until_s:
            self.wait(until_s - self._now_s)

    def wait(self, timeout_s: float) -> None:
        """The current actor waits until it is woken, at most so long."""
        actor = self.current
        if not actor.is_dead:
            self._wake_at(actor, self._now_s + timeout_s)
            self.loop.switch()
        if actor.is_dead:
            raise GreenletExit

    def wake(self, actor: Actor) -> None:
        """Have an actor that waits go on now; of one that does not wait nothing is meant."""
        self._wake_at(actor, self._now_s)

    def _wake_at(self, actor: Actor, time_s: float) -> None:
        turn = actor.turn
        self.at(time_s, lambda: self._resume(actor, turn))

    def _resume(self, actor: Actor, turn: int) -> None:
        if actor.turn != turn or actor.ended_s is not None:
            return
        if self._now_s < actor.frozen_until_s:
            self._wake_at(actor, actor.frozen_until_s)
            return
        actor.turn += 1
        self._current = actor
        try:
            actor.thread.switch()
        finally:
            self._current = None

    def freeze(self, actor: Actor, seconds: float) -> None:
        """Stop an actor for so long, as SIGSTOP and SIGCONT do."""
        self.note(actor.name, "frozen", seconds)
        actor.frozen_until_s = max(actor.frozen_until_s, self._now_s + seconds)

    def kill(self, actor: Actor) -> None:
        """End an actor as SIGKILL does: it says nothing more."""
        if actor.ended_s is not None or actor.is_dead:
            return
        self.note(actor.name, "killed")
        actor.is_dead = True
        for socket in list(actor.sockets):
            socket.die()
        actor.frozen_until_s = 0.0
        self._resume(actor, actor.turn)  # its memory is given back

    # --- the run --------------------------------------------------------------------------------

    def run(self, until_s: Callable[[], float]) -> None:
        """Go on until all actors have ended.

        Parameters
        ----------
        until_s
            When they must have, at the latest; asked again with every event.

        Raises
        ------
        Hang
            If they have not.
        """
        try:
            for _ in range(TURNS_MAX):
                late = [actor for actor in self.actors if actor.ended_s is None]
                if not late:
                    return
                time_s, _, call = heapq.heappop(self._heap)
                if time_s > until_s():
                    names = ", ".join(actor.name for actor in late)
                    raise Hang(f"at {time_s - 1_000:.1f} s {names} had not ended")
                self._now_s = time_s
                call()
            raise Hang(f"{TURNS_MAX} turns and no end")
        finally:
            for actor in self.actors:
                self.kill(actor)
