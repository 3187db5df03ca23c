"""Compiles the kernels of synthetic markets, or loads them."""

from collections.abc import Callable
from typing import Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once, is_compiled
from tapewire.replay.markets.default import default_model
from tapewire.replay.markets.hawkes import fit_hawkes
from tapewire.replay.markets.measuring import FlowMeasure
from tapewire.replay.markets.session import Contract, MarketSession

_KERNELS: Final = "markets"
_FITTING: Final = "market-fits"


def warm_up(say: Callable[[str], None], *, fits: bool = False) -> None:
    """Compile or load the kernels that make markets, and those that measure and fit them.

    Of several processes, one compiles.
    """
    parts = (_KERNELS, _FITTING) if fits else (_KERNELS,)

    def work() -> None:
        if not all(map(is_compiled, parts)):
            say("compiling kernels, first run only …")
        _load(fits)

    compile_once(work, parts, say)


def _load(fits: bool) -> None:
    model = default_model()
    contract = Contract("X", 1, "X", model.tick_size, model.price)
    session = MarketSession(model, [contract], start_ns=1, end_ns=10**10, seed=0)
    measure = FlowMeasure(1, 1, model.tick_size) if fits else None
    for records in session.chunks():
        if measure is not None:
            measure.feed(records)
    if fits:
        fit_hawkes(np.arange(1_000))
