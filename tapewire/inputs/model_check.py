"""``tapewire bridge check``: whether a model keeps to its contract, on rows of a real file."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewire.bridge import protocol as msg
from tapewire.bridge.calling import ModelCaller
from tapewire.bridge.model import ModelSession, StrategyBase, keeps_state
from tapewire.bridge.outputs import ModelAnswer, joined
from tapewire.errors import NoDataError, StrategyError
from tapewire.features import FeaturePass
from tapewire.features.passing import warm_up
from tapewire.inputs.features import FeatureRequest
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import tell
from tapewire.market import InstrumentTable
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay import open_source
from tapewire.replay.reused_ids import require_one_symbol

ROWS_DEFAULT: Final = 10_000
_CHUNK_RECORDS: Final = 65_536
#: Rows of a call: as a run may split them.
_SPLITS: Final = (1, 7, 256)
_WHOLE: Final = 4_096
#: Of small calls, which take long, so many rows are enough.
_ROWS_OF_SMALL_CALLS: Final = 2_000
#: How long the speed at each size is measured (s).
_SPEED_S: Final = 0.3

Outcome = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class SampleRows:
    """Rows of a file, as a model is sent them.

    Attributes
    ----------
    columns : tuple of str
    instruments : tuple of BridgeInstrument
    ts, instrument : (n,)
    values : (n, columns) float64
    """

    columns: tuple[str, ...]
    instruments: tuple[msg.BridgeInstrument, ...]
    ts: npt.NDArray[np.int64]
    instrument: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ts)


class CheckLine(NamedTuple):
    """One thing that was looked at, what came of it, and in words."""

    name: str
    outcome: Outcome
    detail: str


def sample_rows(request: FeatureRequest, rows_max: int = ROWS_DEFAULT) -> SampleRows:
    """Return the first rows of files, at most so many.

    Raises
    ------
    InputError
        If a file can't be used, or no row is due.
    """
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    warm_up(lambda text: tell(Console(stderr=True), text))
    given, n = [], 0
    with book_limits(", ".join(request.plan.files)), open_source(request.plan) as source:
        require_one_symbol(source.info)
        ahead = FeaturePass(
            request.features, request.every, start_ns=request.plan.start_ns or 0, rows=_WHOLE
        )

        def blocks() -> Iterator[Any]:
            while count := source.fill(chunk):
                yield from ahead.feed(chunk[:count])
            yield from ahead.finish()

        for block in blocks():
            given.append(block)
            n += len(block)
            if n >= rows_max:
                break
        names = InstrumentTable((m.raw_symbol, m.instrument_id) for m in source.info.mappings)
    if not n:
        raise NoDataError(
            f"{', '.join(request.plan.files)}: no row is due with --every {request.every.text}: "
            "choose a shorter one, or another window"
        )
    rows = np.concatenate([block.rows for block in given])[:rows_max]
    books = np.arange(int(rows["book"].max()) + 1)
    publishers, ids = ahead.keys(books)
    instruments = tuple(
        msg.BridgeInstrument(k, int(publishers[k]), int(ids[k]), names.get(int(ids[k])).symbol, 0)
        for k in books.tolist()
    )
    return SampleRows(
        request.features.names,
        instruments,
        rows["ts"].astype(np.int64),
        rows["book"].astype(np.int32),
        np.concatenate([block.values for block in given])[:rows_max],
    )


class ModelCheck:
    """The contract test of one model.

    Parameters
    ----------
    kind : class of StrategyBase
    parameters : mapping
        What it is made with.
    rows : SampleRows
    """

    def __init__(
        self, kind: type[StrategyBase], parameters: Mapping[str, Any], rows: SampleRows
    ) -> None:
        self._kind = kind
        self._parameters = parameters
        self._rows = rows
        self._session = ModelSession(
            "check", "pipelined", rows.columns, rows_max=_WHOLE, dtype=kind.dtype
        )
        self._features = np.ascontiguousarray(rows.values, np.dtype(kind.dtype))
        self._features.flags.writeable = False

    def lines(self) -> Iterator[CheckLine]:
        """Give what was found, one after another; where it can't answer at all, no more follows.

        Raises
        ------
        StrategyError
            If it can't be made, or can't answer.
        """
        n = len(self._rows)
        whole = self._run(self._answers(_WHOLE))
        yield CheckLine("answers", "ok", self._told(whole))
        nan_rows = int(np.isnan(self._rows.values).any(axis=1).sum())
        unknown = np.full_like(self._features[:_WHOLE], np.nan)
        unknown.flags.writeable = False
        yield self._passes(
            "features not known",
            self._answers(_WHOLE, stop=len(unknown), features=unknown),
            f"all NaN is answered; {nan_rows:,} of the rows have some",
        )
        yield self._same("twice the same", self._answers(_WHOLE), whole, 0, f"{n:,} rows")
        for size in _SPLITS:
            stop = min(n, _ROWS_OF_SMALL_CALLS) if size < _SPLITS[-1] else n
            yield self._same(
                f"{_rows(size)} a call", self._answers(size, stop=stop), whole, 0, f"{stop:,} rows"
            )
        yield self._resumed(whole)
        for size in (1, 256, _WHOLE):
            yield self._passes(f"speed, {_rows(size)} a call", self._speed(size), "")

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    def _told(self, answer: ModelAnswer) -> str:
        targets = int((answer.targets != msg.NO_TARGET).sum())
        return f"{_rows(len(answer))}: {targets:,} targets, {len(answer.requests):,} requests"

    def _passes(self, name: str, work: Coroutine[Any, Any, Any], detail: str) -> CheckLine:
        """Do it; where there is nothing else to say of it, what comes of it is the speed."""
        try:
            result = self._run(work)
        except StrategyError as error:
            return CheckLine(name, "failed", str(error))
        return CheckLine(name, "ok", detail or f"{result:,.0f} rows/s")

    def _same(
        self, name: str, work: Coroutine[Any, Any, ModelAnswer], whole: ModelAnswer, first: int,
        detail: str, otherwise: Outcome = "failed", advice: str = "",
    ) -> CheckLine:  # fmt: skip
        """Compare other answers with those to all rows, from ``first`` on."""
        try:
            other = self._run(work)
        except StrategyError as error:
            return CheckLine(name, "failed", str(error))
        found = difference(whole, other, first)
        if found is None:
            return CheckLine(name, "ok", detail)
        return CheckLine(name, otherwise, f"{found}{advice}")

    def _resumed(self, whole: ModelAnswer) -> CheckLine:
        """Whether a second process goes on as the first one would have."""
        half = len(self._rows) // 2
        if not keeps_state(self._kind):
            return self._same(
                "begins anywhere", self._answers(256, first=half), whole, half,
                "keeps no state, and needs none", "warning",
                "; write save and load, so that it can be started again",
            )  # fmt: skip

        try:
            state = self._run(self._saved(half))
        except StrategyError as error:
            return CheckLine("save and load", "failed", str(error))
        return self._same(
            "save and load", self._answers(256, first=half, state=state), whole, half,
            f"goes on from row {half:,}; a state of {len(state):,} bytes",
        )  # fmt: skip

    # --- one instance ---------------------------------------------------------------------------

    async def _started(self, state: bytes | None = None) -> ModelCaller:
        caller = ModelCaller(self._kind, self._parameters, self._session)
        await caller.start(state)
        caller.add_instruments(self._rows.instruments)
        return caller

    async def _saved(self, stop: int) -> bytes:
        """Return the state of a new instance behind so many rows."""
        caller = await self._started()
        await self._ask(caller, 256, 0, stop, self._features)
        return await caller.save()

    async def _answers(
        self, size: int, *, first: int = 0, stop: int | None = None, state: bytes | None = None,
        features: npt.NDArray[Any] | None = None,
    ) -> ModelAnswer:  # fmt: skip
        """Return what a new instance answers to rows, so many a call."""
        caller = await self._started(state)
        end = len(self._rows) if stop is None else stop
        answer = await self._ask(
            caller, size, first, end, self._features if features is None else features
        )
        await caller.close_market()
        await caller.stop()
        return answer

    async def _ask(
        self, caller: ModelCaller, size: int, first: int, stop: int, features: npt.NDArray[Any]
    ) -> ModelAnswer:
        answers = []
        for at in range(first, stop, size):
            part = slice(at, min(at + size, stop))
            async for _, answer, _ in caller.answers(
                at, self._rows.ts[part], self._rows.instrument[part], features[part]
            ):
                answers.append(answer)
        return joined(answers)

    async def _speed(self, size: int) -> float:
        """Return rows a second, so many a call."""
        caller = await self._started()
        rows = self._rows
        repeats = -(-size // len(rows))
        ts, instrument = np.tile(rows.ts, repeats), np.tile(rows.instrument, repeats)
        features = np.tile(self._features, (repeats, 1))
        features.flags.writeable = False
        done, at = 0, 0
        begin_s = time.perf_counter()
        while (took_s := time.perf_counter() - begin_s) < _SPEED_S or not done:
            part = slice(at, at + size)
            async for _, answer, _ in caller.answers(
                done, ts[part], instrument[part], features[part]
            ):
                done += len(answer)
            at = at + size if at + 2 * size <= len(ts) else 0
        return done / took_s


def difference(one: ModelAnswer, other: ModelAnswer, first: int) -> str | None:
    """Say in which row answers to the same rows differ first; None if they do not.

    Parameters
    ----------
    one
        To rows from 0 on.
    other
        To those from ``first`` on, as many as it has.
    """
    stop = first + len(other)
    targets = one.targets[first:stop]
    at = np.flatnonzero(targets != other.targets)
    if at.size:
        values = (_lots(targets[at[0]]), _lots(other.targets[at[0]]))
        return f"row {first + at[0]}: target {values[0]}, then {values[1]}"
    sure, surer = (
        np.ones(len(each)) if each.confidence is None else each.confidence for each in (one, other)
    )
    at = np.flatnonzero(sure[first:stop] != surer)
    if at.size:
        pair = f"{sure[first + at[0]]}, then {surer[at[0]]}"
        return f"row {first + at[0]}: confidence {pair}"
    rows = one.requests["row"]
    asked = one.requests[(rows >= first) & (rows < stop)].copy()
    asked["row"] -= first
    if len(asked) != len(other.requests):
        return f"{len(asked)} requests, then {len(other.requests)}"
    wrong = np.flatnonzero(asked != other.requests)
    if wrong.size:
        return f"row {first + asked['row'][wrong[0]]}: other requests"
    return None


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"


def _lots(target: np.int64) -> str:
    return "none" if target == msg.NO_TARGET else str(target)


def check_model(
    kind: type[StrategyBase], parameters: Mapping[str, Any], request: FeatureRequest,
    rows_max: int, console: Console,
) -> None:  # fmt: skip
    """Test a model and print what was found.

    Raises
    ------
    StrategyError
        If it fails one of the checks.
    InputError
        If the file can't be used, or no row is due.
    """
    name = kind.__qualname__
    with interruptible():
        rows = sample_rows(request, rows_max)
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        failed = []
        for line in ModelCheck(kind, parameters, rows).lines():
            last = line.detail.splitlines()[-1]
            table.add_row(line.name, Text(line.outcome, style=_STYLES[line.outcome]), Text(last))
            if line.outcome == "failed":
                failed.append(line)
    console.print(table)
    if failed:
        names = ", ".join(line.name for line in failed)
        text = f"{name} fails {len(failed)} of its checks: {names}"
        told = [line.detail for line in failed if "\n" in line.detail]
        raise StrategyError("\n".join([text, *told]))
    tell(console, f"{name} keeps to its contract")


_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "red"}
