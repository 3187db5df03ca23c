"""A model and the calls of its hooks, without a socket; what goes wrong is told to its author.

The client calls a model so for a run, and a contract test without one.
"""

import inspect
import time
import traceback
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.bridge.model import ModelRows, ModelSession, StrategyBase, keeps_state
from tapewire.bridge.outputs import ModelAnswer, answer_of, joined
from tapewire.errors import StrategyError
from tapewire.wire.codec import TEXT_CHARS_MAX

#: Of a model that takes one row at a time: what it has is sent on after so long (ns).
_PATIENCE_NS: Final = 200_000_000
#: Kept of an error's text, its begin and its end.
_HEAD_CHARS: Final = 1_000
_TAIL_CHARS: Final = TEXT_CHARS_MAX - _HEAD_CHARS - 10


class ModelCaller:
    """One model that is told what a run tells it, in that order.

    Parameters
    ----------
    kind : class of StrategyBase
    parameters : mapping
        What it is made with.
    session : ModelSession
        What it is told at its start.

    Raises
    ------
    StrategyError
        If it can't be made so.
    """

    def __init__(
        self, kind: type[StrategyBase], parameters: Mapping[str, Any], session: ModelSession
    ) -> None:
        self.name = kind.__qualname__
        self._instruments: dict[int, msg.Instrument] = {}
        self._session = replace(session, instruments=self._instruments)
        given = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
        with self._guarded("be made", f"with parameters {given}" if given else ""):
            self.model = kind(**parameters)
        self.model.session = self._session

    async def start(self, state: bytes | None = None) -> None:
        """Begin; from a state, if there is one."""
        with self._guarded("on_start"):
            await self._quiet(self.model.on_start(self._session))
        if state is not None:
            with self._guarded("load", f"on a state of {len(state)} bytes"):
                await self._quiet(self.model.load(state))

    def add_instruments(self, instruments: tuple[msg.Instrument, ...]) -> None:
        """Take books that rows may be about from here on."""
        self._instruments.update((one.index, one) for one in instruments)

    async def answers(
        self, first_row: int, ts: npt.NDArray[np.int64], instrument: npt.NDArray[np.int32],
        features: npt.NDArray[Any],
    ) -> AsyncGenerator[tuple[int, ModelAnswer, int], None]:  # fmt: skip
        """Hand over rows; give first row, answer and how long it took (ns), in one part or more.

        Parameters
        ----------
        ts, instrument : (n,)
        features : (n, columns)

        Raises
        ------
        StrategyError
            If the model raised, or returned what it may not; what it has answered is given before.
        """
        n = len(ts)
        if self.model.batches or n == 1:
            yield first_row, *await self.answer(first_row, ts, instrument, features)
            return
        begin_ns = time.perf_counter_ns()
        done: list[ModelAnswer] = []
        sent = 0
        for at in range(n):
            rows = slice(at, at + 1)
            try:
                answer = await self._answer(
                    first_row + at, ts[rows], instrument[rows], features[at]
                )
            except StrategyError:
                if done:
                    yield first_row + sent, joined(done), time.perf_counter_ns() - begin_ns
                raise
            done.append(answer)
            took_ns = time.perf_counter_ns() - begin_ns
            if took_ns > _PATIENCE_NS or at == n - 1:
                yield first_row + sent, joined(done), took_ns
                done, sent, begin_ns = [], at + 1, time.perf_counter_ns()

    async def answer(
        self, first_row: int, ts: npt.NDArray[np.int64], instrument: npt.NDArray[np.int32],
        features: npt.NDArray[Any],
    ) -> tuple[ModelAnswer, int]:  # fmt: skip
        """Hand over rows that take one call; return the answer and how long it took (ns).

        For a model without batches that is one row. See `answers`, which this is quicker than.
        """
        begin_ns = time.perf_counter_ns()
        handed = features if self.model.batches else features[0]
        answer = await self._answer(first_row, ts, instrument, handed)
        return answer, time.perf_counter_ns() - begin_ns

    async def _answer(
        self, first_row: int, ts: npt.NDArray[np.int64], instrument: npt.NDArray[np.int32],
        features: npt.NDArray[Any],
    ) -> ModelAnswer:  # fmt: skip
        n = len(ts)
        self.model.rows = ModelRows(ts, instrument, first_row)
        try:
            value = self.model.on_features(features)
            if inspect.isawaitable(value):
                value = await value
        except (Exception, SystemExit) as error:
            what = f"model {self.name} failed in on_features {_where(first_row, n)}"
            raise StrategyError(_told(what, error)) from None
        try:
            return answer_of(value, n, first_row)
        except ValueError as error:
            where = _where(first_row, n)
            raise StrategyError(f"{self.name}.on_features {where}: {error}") from None

    async def update(self, update: msg.OrderUpdate) -> None:
        """Tell it of an order of its own."""
        for hook in (self.model.on_update, self.model.on_fill)[: 2 if update.fill_quantity else 1]:
            with self._guarded(hook.__name__, f"of order {update.tag}"):
                await self._quiet(hook(update))

    async def close_market(self) -> None:
        """Tell it that the session has closed."""
        with self._guarded("on_market_close"):
            await self._quiet(self.model.on_market_close())

    async def stop(self) -> None:
        """Tell it that the run is done with it."""
        with self._guarded("on_stop"):
            await self._quiet(self.model.on_stop())

    async def save(self) -> bytes:
        """Return its state.

        Raises
        ------
        StrategyError
            If it gives none, or one that is too large.
        """
        with self._guarded("save"):
            state = self.model.save()
            if inspect.isawaitable(state):
                state = await state
        if not isinstance(state, (bytes, bytearray, memoryview)):
            kind = type(state).__name__
            raise StrategyError(f"{self.name}.save: expected bytes, found {kind}")
        state = bytes(state)
        if len(state) > msg.STATE_BYTES_MAX:
            raise StrategyError(
                f"{self.name}.save: expected a state of at most {msg.STATE_BYTES_MAX} bytes, found "
                f"{len(state)}: keep what it goes on from, not what it has seen"
            )
        return state

    @property
    def keeps_state(self) -> bool:
        """Whether it has a state that is kept for it."""
        return keeps_state(type(self.model))

    async def _quiet(self, value: Any) -> None:
        """Wait for a hook that asks for nothing."""
        if inspect.isawaitable(value):
            value = await value
        if value is not None:
            raise TypeError(
                f"expected it to return nothing, found {value!r:.100}: what a model wants is "
                "returned by on_features"
            )

    @contextmanager
    def _guarded(self, hook: str, where: str = "") -> Iterator[None]:
        try:
            yield
        except StrategyError:
            raise
        except (Exception, SystemExit) as error:
            what = f"model {self.name} failed in {hook} {where}".rstrip()
            if hook == "be made":
                what = f"model {self.name} can't be made {where}".rstrip()
            raise StrategyError(_told(what, error)) from None


def _where(first_row: int, n: int) -> str:
    return f"at row {first_row}" if n == 1 else f"at rows {first_row} to {first_row + n - 1}"


def _told(what: str, error: BaseException) -> str:
    """Say what a model raised, and the lines of its author's that led there."""
    lines = [f"{what}:"]
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_globals.get("__name__", "").startswith("tapewire."):
            lines += traceback.format_list(traceback.StackSummary.extract([(frame, line)]))
    text = "\n".join(
        line.rstrip() for line in [*lines, *traceback.format_exception_only(error)]
    ).rstrip()
    if len(text) <= TEXT_CHARS_MAX:
        return text
    return f"{text[:_HEAD_CHARS]}\n  …\n{text[-_TAIL_CHARS:]}"
