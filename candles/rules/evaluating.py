"""Declared strategies as signals of bars: one, or thousands that share what they are made of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles.frames import Timeframes
from tapewire.candles.rules._comparisons import BitStore
from tapewire.candles.rules._kernels import ALL_OF, ANY_OF, join
from tapewire.candles.rules.model import DeclaredStrategy
from tapewire.candles.rules.plan import (
    SIGNALS,
    ComparisonKey,
    ExitTerms,
    Expression,
    JoinedRules,
    StrategyPlan,
    plan_of,
)
from tapewire.errors import ConfigError

Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.int64]

#: Bytes that bits of comparisons may take at once, where nothing is said.
MEMORY_BYTES: Final = 512 << 20


@dataclass(frozen=True)
class StrategySignals:
    """What a declared strategy says of each bar, known at its end.

    Attributes
    ----------
    name : str
        Of the strategy.
    count : int
        Bars of its primary timeframe.
    words : int64 (4, words)
        A row per signal, in the order of the properties; bit b of word w is bar 64 w + b.
    long_exits, short_exits : ExitTerms
        Stops, targets and times that end positions beside the signals.
    """

    name: str
    count: int
    words: Words
    long_exits: ExitTerms
    short_exits: ExitTerms

    def _flags(self, row: int) -> Flags:
        flags = np.unpackbits(self.words[row].view(np.uint8), count=self.count, bitorder="little")
        return flags.view(np.bool_)

    @property
    def entry_long(self) -> Flags:
        """Enter long, bool (n,)."""
        return self._flags(0)

    @property
    def exit_long(self) -> Flags:
        """Leave long, bool (n,)."""
        return self._flags(1)

    @property
    def entry_short(self) -> Flags:
        """Enter short, bool (n,)."""
        return self._flags(2)

    @property
    def exit_short(self) -> Flags:
        """Leave short, bool (n,)."""
        return self._flags(3)


def evaluate(strategy: DeclaredStrategy, frames: Timeframes) -> StrategySignals:
    """Return the signals of one strategy.

    Parameters
    ----------
    strategy
        As `strategy_of` gives it.
    frames
        Bars of all its timeframes.

    Raises
    ------
    ConfigError
        If bars of a timeframe are missing, or TA-Lib is.
    InputError
        If bars have a NaN among their values.
    """
    return next(evaluate_many([strategy], frames))


def evaluate_many(
    strategies: Iterable[DeclaredStrategy],
    frames: Timeframes,
    *,
    memory_bytes: int = MEMORY_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[StrategySignals]:
    """Give the signals of strategies, in their order.

    Each distinct indicator is computed once, compared with all it is to be compared with, and
    dropped; of each distinct comparison there is a bit per bar of its timeframe. Where these bits
    would take more than `memory_bytes`, strategies are worked out in several parts, each of which
    computes what it needs.

    Parameters
    ----------
    strategies
        Of one primary timeframe.
    frames
        Bars of all their timeframes.
    memory_bytes
        What bits of comparisons may take at once; the indicators that are being compared come
        beside them.
    progress
        Called with the strategies that are done and all of them.

    Raises
    ------
    ConfigError
        If primary timeframes differ, bars of a timeframe are missing, or TA-Lib is.
    InputError
        If bars have a NaN among their values.
    """
    given = list(strategies)
    done = 0
    for part in shared_parts(given, frames, memory_bytes=memory_bytes):
        for k in range(len(part)):
            yield part.signals(k)
            done += 1
            if progress is not None:
                progress(done, len(given))


class SharedBits:
    """Some strategies, and the bits of every comparison of theirs.

    Attributes
    ----------
    plans : sequence of StrategyPlan
    """

    def __init__(self, plans: Sequence[StrategyPlan], store: BitStore) -> None:
        self.plans = plans
        self._store = store
        self._store.fill(dict.fromkeys(key for plan in plans for key in plan.comparisons()))

    def __len__(self) -> int:
        return len(self.plans)

    def signals(self, place: int) -> StrategySignals:
        """Return what one of them says; threads may ask at once."""
        return _signals(self.plans[place], self._store)


def shared_parts(
    strategies: Iterable[DeclaredStrategy],
    frames: Timeframes,
    *,
    memory_bytes: int = MEMORY_BYTES,
    stores: dict[str, BitStore] | None = None,
) -> Iterator[SharedBits]:
    """Give strategies in parts whose comparisons fit into memory together, in their order.

    Parameters and errors are those of `evaluate_many`. Where all fit, their bits are kept in
    ``stores``, by primary timeframe, and found there the next time: as many beside those that are
    asked for as fit, too. Nobody may use what was given before by then.
    """
    plans: list[StrategyPlan] = []
    for strategy in strategies:
        primary = strategy.timeframes.primary
        bars = frames.of_name(primary).bars
        plans.append(plan_of(strategy, bars.price_unit))
        if primary != plans[0].primary:
            raise ConfigError(
                f"expected strategies of one primary timeframe, found {plans[0].primary} "
                f"({plans[0].name}) and {primary} ({strategy.name})"
            )
    parts = list(_parts(plans, frames, memory_bytes))
    for part in parts:
        primary = part[0].primary
        if stores is None or len(parts) > 1:
            yield SharedBits(part, BitStore(frames, primary))
            continue
        store = stores.setdefault(primary, BitStore(frames, primary))
        shared = SharedBits(part, store)
        store.forget(memory_bytes)
        yield shared


def _parts(
    plans: Sequence[StrategyPlan], frames: Timeframes, memory_bytes: int
) -> Iterator[Sequence[StrategyPlan]]:
    """Cut strategies where the bits of their comparisons come to more than may be held."""
    first = 0
    held = 0
    known: set[ComparisonKey] = set()
    for k, plan in enumerate(plans):
        fresh = [key for key in plan.comparisons() if key not in known]
        size = sum(BitStore.bytes_of(key, frames, plan.primary) for key in fresh)
        if k > first and held + size > memory_bytes:
            yield plans[first:k]
            first, held = k, 0
            known.clear()
            fresh = plan.comparisons()
            size = sum(BitStore.bytes_of(key, frames, plan.primary) for key in fresh)
        known.update(fresh)
        held += size
    if plans:
        yield plans[first:]


def _signals(plan: StrategyPlan, store: BitStore) -> StrategySignals:
    keys = plan.comparisons()
    bits = np.empty((max(len(keys), 1), store.words), np.int64)
    for row, key in zip(bits, keys, strict=False):
        store.write(key, row)
    places = {key: place for place, key in enumerate(keys)}
    words = np.empty((len(SIGNALS), store.words), np.int64)
    for rule, out in zip(plan.rules, words, strict=True):
        program = np.array(list(_postfix(rule, places)), np.int64)
        stack = np.empty((_depth(rule), store.words), np.int64)
        join(program, bits, stack, out)
    return StrategySignals(plan.name, store.count, words, plan.long_exits, plan.short_exits)


def _postfix(rule: Expression, places: dict[ComparisonKey, int]) -> Iterator[int]:
    if isinstance(rule, JoinedRules):
        for k, part in enumerate(rule.parts):
            yield from _postfix(part, places)
            if k:
                yield ALL_OF if rule.all_of else ANY_OF
    elif rule is not None:
        yield places[rule]


def _depth(rule: Any) -> int:
    """Return rows of a stack that a rule's program needs."""
    if not isinstance(rule, JoinedRules):
        return 1
    return max(_depth(part) + (k > 0) for k, part in enumerate(rule.parts))
