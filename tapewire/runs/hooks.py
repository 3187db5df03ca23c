"""What is told while a run goes on."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapewire.runs.standing import Standing


@dataclasses.dataclass(frozen=True)
class RunProgress:
    """How far a run is, once per batch."""

    events: int
    #: Events of the whole input: exact, or estimated from its size.
    events_total: int
    elapsed_s: float
    #: Simulated time, ns since the epoch.
    now_ns: int
    #: Function giving the P&L over all strategies in currency; costs a little.
    pnl: Callable[[], float]
    #: Function giving accounts, orders and warnings; costs more, see `tapewire.runs.turns.Turns`.
    standing: "Callable[[], Standing]"


@dataclasses.dataclass
class Hooks:
    """What the command line shows while a run goes on; silent by default."""

    announce: Callable[[str], None] = lambda text: None
    progress: Callable[[RunProgress], None] = lambda progress: None
    #: Starts to show how far something before the run is, from what it is and its size in MB.
    working: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = (
        lambda what, total_mb: nullcontext(lambda done_mb: None)
    )
