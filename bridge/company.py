"""All models of a run: started, waited for, fed and followed, and what becomes of those lost."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge.ahead import ALL_ROWS, Ahead, Describe
from tapewire.bridge.desk import Desk
from tapewire.bridge.following import Followed, Following
from tapewire.bridge.lockstep import LockstepDesk
from tapewire.bridge.model_spec import ModelSpec
from tapewire.errors import StrategyError
from tapewire.features import RowReach

#: After so long (s) somebody is told who is waited for, and again after so long.
_TELL_AFTER_S: Final = 2.0
_TELL_AGAIN_S: Final = 10.0
#: Sleep while models have not come yet.
_WAIT_SLICE_S: Final = 0.005
#: Longest wait for the last answers; for models to end by themselves; and when they were asked to.
_GOODBYE_S: Final = 1.0
_OWN_END_S: Final = 1.0
_ASKED_END_S: Final = 0.5


class Company:
    """The models of a run; to be closed.

    Parameters
    ----------
    specs
    announce
        Told who is waited for.
    """

    def __init__(self, specs: Sequence[ModelSpec], announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._answered = threading.Condition()
        self.desks: list[Desk] = []
        self._told_s = 0.0
        self._waiting_since_s: float | None = None
        self._withdrawn: set[str] = set()
        self._told_lost: set[str] = set()
        self._refused_told: Counter[str] = Counter()
        try:
            for spec in specs:
                kind = LockstepDesk if spec.mode == "lockstep" else Desk
                self.desks.append(kind(spec, self._answered))
        except BaseException:
            self.close()
            raise

    def desk_of(self, strategy_id: str) -> Desk:
        """The desk of a strategy."""
        return next(desk for desk in self.desks if desk.spec.strategy_id == strategy_id)

    def connect(self, check: Callable[[], None]) -> None:
        """Wait until all models are there, each within its time, or lost to a run that goes on.

        Raises
        ------
        StrategyError
            If one is not.
        """
        while late := [desk for desk in self.desks if not desk.is_ready and not desk.is_lost]:
            check()
            for desk in self.desks:
                desk.serve()
                self._note_lost(desk, 0)
            self._tell_refused()
            self._tell_of(late)
            late[0].line.wait(_WAIT_SLICE_S)
        self._waiting_since_s = None

    def batches(
        self, simulation: Followed, source: Iterable[npt.NDArray[Any]], check: Callable[[], None],
        describe: Describe, *, start_ns: int = 0, closes_ns: Sequence[int] = (), ahead: int = 16,
        stop: Callable[[], None] = lambda: None, reach: RowReach = ALL_ROWS,
    ) -> Generator[npt.NDArray[Any]]:  # fmt: skip
        """Yield the batches of a source, each when the signals that concern it are laid out.

        They are to be closed: until then a thread works on them.

        Parameters
        ----------
        source
            Batches of records, each valid until the next.
        check
            Called now and then; may raise.
        describe, start_ns, closes_ns, stop, reach
            See `Ahead`.
        ahead
            How many batches the rows may be ahead of the simulation.

        Raises
        ------
        StrategyError
            If a model is lost whose policy is to halt.
        """
        followings = [
            Following(desk, simulation) for desk in self.desks if not isinstance(desk, LockstepDesk)
        ]
        lockstep = [desk for desk in self.desks if isinstance(desk, LockstepDesk)]
        for desk in lockstep:
            desk.attach(simulation, check)
        going_ahead = Ahead(
            self.desks, self._answered, describe, start_ns=start_ns, closes_ns=closes_ns,
            batches_max=ahead, reach=reach,
        )  # fmt: skip
        before_ns = 0

        def waiting(late: Sequence[Desk]) -> None:
            check()
            self._tell_refused()
            self._tell_of(late)

        with closing(going_ahead.batches(source, check, stop)) as batches:
            for batch in batches:
                simulation.open_books(batch.books)
                going_ahead.wait_answers(batch.until_ns, waiting)
                self._waiting_since_s = None
                self._tell_refused()
                with self._answered:
                    taken = [following.desk.take_signals() for following in followings]
                for following, signals in zip(followings, taken, strict=True):
                    following.legs.update(batch.books, simulation)
                    now_ns = before_ns + following.desk.spec.feed_ns
                    if following.desk.spec.mode == "free_running":
                        for some in signals:
                            np.maximum(some["ts"], now_ns, out=some["ts"])
                    following.give(signals)
                    if self._note_lost(following.desk, now_ns):
                        self._withdraw(following, now_ns)
                for desk in lockstep:
                    desk.begin_batch(batch.books, before_ns)
                    self._note_lost(desk, before_ns)
                before_ns = batch.until_ns
                if len(batch.records):
                    yield batch.records
        for desk in lockstep:
            desk.close_market(before_ns, is_end=True)
        self._end()

    def _note_lost(self, desk: Desk, now_ns: int) -> bool:
        """Whether a model is lost; raises where that ends the run, and says it where not."""
        if desk.fault is None:
            return False
        if desk.ends_run:
            raise _lost(desk, now_ns)
        if desk.spec.strategy_id not in self._told_lost:
            self._told_lost.add(desk.spec.strategy_id)
            flatten = desk.spec.on_failure == "flatten"
            became = "closes its positions" if flatten else "keeps its positions"
            self._announce(f"{desk.fault}; the run goes on without it and {became}")
        return True

    def _withdraw(self, following: Following, now_ns: int) -> None:
        """Do what the policy of a lost model says: cancel once, flatten again and again."""
        name, flatten = following.desk.spec.strategy_id, following.desk.spec.on_failure == "flatten"
        first = name not in self._withdrawn
        self._withdrawn.add(name)
        if first or flatten:
            following.withdraw(now_ns, flatten=flatten, cancel=first)

    def _tell_refused(self) -> None:
        """Tell who knocked and was not let in."""
        for desk in self.desks:
            name = desk.spec.strategy_id
            for text in desk.line.refused[self._refused_told[name] :]:
                self._refused_told[name] += 1
                self._announce(f"at {desk.line.endpoint}, for the model of {name}, {text}")

    def _tell_of(self, late: Sequence[Desk]) -> None:
        now_s = time.monotonic()
        if self._waiting_since_s is None:
            self._waiting_since_s = self._told_s = now_s
            return
        again_s = _TELL_AFTER_S if self._told_s == self._waiting_since_s else _TELL_AGAIN_S
        if now_s - self._told_s >= again_s:
            self._told_s = now_s
            waited_s = now_s - self._waiting_since_s
            whom = " and ".join(desk.waits_for for desk in late[:3])
            self._announce(f"waiting for {whom} ({waited_s:.0f} s)")

    def _end(self) -> None:
        """Let the models have what is left, and leave."""
        until_s = time.monotonic() + _GOODBYE_S
        for desk in self.desks:
            desk.end()
        while time.monotonic() < until_s and not all(desk.is_idle for desk in self.desks):
            for desk in self.desks:
                desk.serve()
            time.sleep(_WAIT_SLICE_S)
        for desk in self.desks:
            desk.say_goodbye()

    def close(self) -> None:
        """End the models, all at a time, and give back their addresses."""
        for desk in self.desks:
            if not desk.has_said_goodbye:
                desk.ask_end()
        until_s = time.monotonic() + _OWN_END_S
        for desk in self.desks:
            if desk.has_said_goodbye:
                desk.wait_end(until_s)
        for desk in self.desks:
            desk.ask_end()
        until_s = time.monotonic() + _ASKED_END_S
        for desk in self.desks:
            desk.wait_end(until_s)
            desk.close()


def _lost(desk: Desk, now_ns: int) -> StrategyError:
    return StrategyError(desk.fault or "lost", desk.spec.strategy_id, now_ns, None)
