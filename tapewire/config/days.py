"""What can't be played with days apart, because it goes on from one day to the next."""

from collections.abc import Iterator
from typing import Any, Final

from tapewire.config.edits import value_at
from tapewire.config.finding import known_strategy
from tapewire.config.problems import Problems
from tapewire.config.wording import describe
from tapewire.config.yaml import KeyPath

#: Limits that hold for a whole run once they are reached, or count over all of it.
_OF_THE_RUN: Final = ("max_loss", "max_drawdown", "max_messages_per_trade")
#: What says nothing without a limit of those, and what follows for the rest of the session only.
_OF_THE_SESSION: Final = ("on_max_loss", "on_max_daily_loss")
_NO_TIERS: Final = "fees without tiers with days apart, as these go by the volume of all days"


def check_days(raw: dict[str, Any], problems: Problems) -> None:
    """Add what in a configuration needs its days together, where they are apart."""
    replay: KeyPath = ("backtest", "replay")
    workers = value_at(raw, (*replay, "workers"))
    if value_at(raw, (*replay, "days")) != "apart":
        if isinstance(workers, int) and workers > 1:
            problems.add(
                (*replay, "workers"), f"expected days: apart with {workers} workers, found together"
            )
        return
    for where, what in _together(raw):
        problems.add(where, f"expected {what} (replay.days)")


def _together(raw: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Where something needs days together, and what was expected in its place."""
    source: KeyPath = ("backtest", "data_source", "type")
    if value_at(raw, source) == "synthetic":
        yield source, "databento, files of days, with days apart, found synthetic"
    speed = value_at(raw, ("backtest", "replay", "speed"))
    if speed not in (None, "max"):
        yield (
            ("backtest", "replay", "speed"),
            f"max with days apart, which have no common pace, found {describe(speed)}",
        )
    if value_at(raw, ("backtest", "output", "metrics_port")) is not None:
        yield ("backtest", "output", "metrics_port"), "none with days apart"
    for key in ("risk_limits", "portfolio_limits"):
        yield from _limits(value_at(raw, ("backtest", key)), ("backtest", key))
    fees: KeyPath = ("execution", "fees", "rows")
    yield from _tiers(value_at(raw, ("backtest", *fees)), ("backtest", *fees))
    for i, entry in enumerate(raw.get("strategy") or ()):
        yield from _limits(value_at(entry, ("risk_limits",)), ("strategy", i, "risk_limits"))
        yield from _tiers(value_at(entry, fees), ("strategy", i, *fees))
        kind = value_at(entry, ("type",))
        found = known_strategy(kind)
        if kind == "order_log":
            yield (
                ("strategy", i, "type"),
                "a strategy that begins each day anew, with days apart, found an order log",
            )
        elif found is not None and found.definition.is_external:
            yield (
                ("strategy", i, "type"),
                "a strategy of this process with days apart, found a model in one of its own",
            )


def _limits(section: Any, where: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Limits of a section that are reached once for all days."""
    for key, value in section.items() if isinstance(section, dict) else ():
        acts = key.startswith("on_") and key not in _OF_THE_SESSION
        if value is not None and (acts or key in _OF_THE_RUN):
            yield (
                (*where, key),
                f"none with days apart, as it is one of all days together, found {describe(value)}",
            )


def _tiers(rows: Any, where: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Rows of fees that go by what was traded on all days."""
    for k, row in enumerate(rows if isinstance(rows, list) else ()):
        for key in ("from", "to"):
            if isinstance(row, dict) and row.get(key):
                yield (*where, k, key), f"{_NO_TIERS}, found {key}: {row[key]!r}"
