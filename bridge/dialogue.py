"""What a run says to a model, and what the model answers; without a socket."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tapewire.bridge import protocol as msg
from tapewire.bridge.calling import ModelCaller
from tapewire.bridge.model import ModelSession, StrategyBase, keeps_state
from tapewire.bridge.outputs import ModelAnswer
from tapewire.errors import PeerLostError, ProtocolError, WireError


class Dialogue:
    """One model and the messages of one run, from the welcome to the goodbye.

    Parameters
    ----------
    kind : class of StrategyBase
    parameters : mapping
        Of the model, in place of what the welcome says.
    run : str
        What errors call the run.
    send : coroutine function (message, *parts)
        Sends a message, once there is room.
    say : callable (str)
        Told in a sentence how far it is.

    Attributes
    ----------
    welcome : Welcome or None
    next_row : int
        The first that was not answered.
    rows : int
        How many were.
    is_over : bool
        Whether the run has said goodbye.
    """

    def __init__(
        self, kind: type[StrategyBase], parameters: Mapping[str, Any], run: str,
        send: Callable[..., Awaitable[None]], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.welcome: msg.Welcome | None = None
        self.next_row = self.rows = 0
        self.is_over = False
        self._kind = kind
        self._parameters = parameters
        self._run = run
        self._send = send
        self._say = say
        self._caller: ModelCaller | None = None
        self._known = np.zeros(0, np.bool_)  # by index of an instrument

    async def take(self, frame: memoryview, parts: Sequence[memoryview]) -> bool:
        """Act on a message; whether there may be more.

        Raises
        ------
        StrategyError
            If the model raised, or returned what it may not.
        ProtocolError
            If the run says what it may not.
        PeerLostError, WireError
            If it said why it leaves, or goes no further with this model.
        """
        message = msg.decode_message(frame)
        welcome = self.welcome
        if welcome is None:
            arrays = msg.read_arrays(message, parts)
        else:
            arrays = msg.read_arrays(message, parts, len(welcome.columns), welcome.dtype)
        if isinstance(message, msg.Features) and self._caller is not None:
            await self._answer(self._caller, message, arrays)
        elif isinstance(message, msg.Heartbeat):
            pass
        elif isinstance(message, msg.Error):
            raise WireError(f"{self._run} goes no further with this model: {message.message}")
        elif isinstance(message, msg.Welcome) and welcome is None:
            await self._begin(message, arrays)
        elif self._caller is None:
            raise ProtocolError(f"expected a welcome first, found {_noun(message)}")
        elif isinstance(message, msg.Instruments):
            self._caller.add_instruments(message.instruments)
            self._note_known(message.instruments)
        elif isinstance(message, msg.Updates):
            for update in message.updates:
                await self._caller.update(update)
        elif isinstance(message, msg.Close):
            await self._caller.close_market()
        elif isinstance(message, msg.Goodbye):
            self.is_over = True  # the model may take its time to stop
            await self._caller.stop()
            if message.reason:
                raise PeerLostError(f"{self._run} has left: {message.reason}")
            return False
        else:
            raise ProtocolError(f"expected what a run may say, found {_noun(message)}")
        return True

    async def _begin(self, welcome: msg.Welcome, arrays: list[np.ndarray]) -> None:
        """Make the model as the run wants it."""
        if welcome.protocol != msg.PROTOCOL:
            raise ProtocolError(
                f"expected version {msg.PROTOCOL} of the bridge's protocol, found "
                f"{welcome.protocol}: use the same release at both ends"
            )
        if welcome.dtype != self._kind.dtype:
            raise ProtocolError(
                f"expected features of {self._kind.dtype}, as the hello says, found {welcome.dtype}"
            )
        if arrays and not keeps_state(self._kind):
            raise ProtocolError("expected no state for a model that keeps none, found one")
        session = ModelSession(
            welcome.strategy_id, welcome.mode, welcome.columns, {}, welcome.latency_ns,
            welcome.rows_max, welcome.dtype,
        )  # fmt: skip
        parameters = {**_parameters_of(welcome), **self._parameters}
        self.welcome = welcome
        self.next_row = welcome.first_row
        self._caller = ModelCaller(self._kind, parameters, session)
        await self._caller.start(arrays[0].tobytes() if arrays else None)
        self._say(
            f"{self._kind.__qualname__} serves strategy {welcome.strategy_id}: "
            f"{len(welcome.columns)} columns, mode {welcome.mode}"
        )

    def _note_known(self, instruments: tuple[msg.Instrument, ...]) -> None:
        indices = [one.index for one in instruments]
        grown = np.zeros(max(self._known.size, max(indices) + 1), np.bool_)
        grown[: self._known.size] = self._known
        grown[indices] = True
        self._known = grown

    async def _answer(
        self, caller: ModelCaller, message: msg.Features, arrays: list[np.ndarray]
    ) -> None:
        """Hand rows to the model, and what it wants to the run."""
        assert self.welcome is not None
        ts, instrument, features = arrays
        if message.first_row != self.next_row or message.rows > self.welcome.rows_max:
            raise ProtocolError(
                f"expected rows from {self.next_row} on, at most {self.welcome.rows_max}, found "
                f"{message.rows} from {message.first_row} on"
            )
        self._require_known(message, instrument)
        for array in arrays:
            array.flags.writeable = False
        if message.rows == 1 or caller.model.batches:
            answer, busy_ns = await caller.answer(message.first_row, ts, instrument, features)
            await self._send_answer(message.first_row, answer, busy_ns)
        else:
            parts = caller.answers(message.first_row, ts, instrument, features)
            async with contextlib.aclosing(parts):
                async for part in parts:
                    await self._send_answer(*part)
        if message.wants_state and caller.keeps_state:
            state = await caller.save()
            parts_of_state = [memoryview(state)] if state else []
            await self._send(msg.State(self.next_row, len(state)), *parts_of_state)

    async def _send_answer(self, first_row: int, answer: ModelAnswer, busy_ns: int) -> None:
        for signals, arrays in answer.messages(first_row, busy_ns):
            await self._send(signals, *map(_bytes_of, arrays))
        self.rows += len(answer)
        self.next_row = first_row + len(answer)

    def _require_known(self, message: msg.Features, instrument: np.ndarray) -> None:
        if message.rows == 1:
            index = instrument.item()
            if 0 <= index < self._known.size and self._known.item(index):
                return
        low, high = int(instrument.min()), int(instrument.max())
        if not (low >= 0 and high < self._known.size and self._known[instrument].all()):
            raise ProtocolError(
                f"expected rows about instruments it was told of, found {low} to {high} in those "
                f"from {message.first_row} on"
            )


def _parameters_of(welcome: msg.Welcome) -> dict[str, Any]:
    try:
        parameters = msgspec.json.decode(welcome.parameters or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"expected parameters in JSON, found none: {error}") from None
    if not isinstance(parameters, dict):
        raise ProtocolError(
            f"expected parameters as an object of JSON, found {welcome.parameters[:80]!r}"
        )
    return parameters


def _bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array, as they lie in memory."""
    return np.ascontiguousarray(array).data.cast("B")


def _noun(message: msg.Message) -> str:
    return f"a {type(message).__name__.lower()} message"
