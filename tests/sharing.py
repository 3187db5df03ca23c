"""Order logs as strategies that share a book."""

from pathlib import Path
from typing import Any

from stories import Log, Played, Tape, configure, read, run
from tapewire.router import RiskLimits, StrategySpec
from tapewire.strategies import STRATEGIES


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4, asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


def share(
    folder: Path, tape: Tape, logs: dict[str, Log], *, book: str = "house",
    prevention: str | dict[str, str] = "none", batch: int = 0,
    limits: RiskLimits | None = None, **settings: Any,
) -> Played:  # fmt: skip
    """Play order logs that share a book; ``prevention`` of all, or by log."""
    specs = [
        StrategySpec(
            name, STRATEGIES["order_log"], {"path": log.write(folder / f"{name}.csv")},
            limits=limits or RiskLimits(), shared_book=book,
            self_trade=prevention if isinstance(prevention, str) else prevention[name],
        )
        for name, log in logs.items()
    ]  # fmt: skip
    config = configure(None, others=specs, **settings)
    return read(*run(config, tape.records(), batch))
