"""A run's fills beside those of a file."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapewire.analytics import load_run
from tapewire.analytics.live_fills import LiveFill, read_live_fills
from tapewire.analytics.reconcile import as_json, reconcile
from tapewire.config.wording import suggest
from tapewire.errors import ConfigError, MissingFileError
from tapewire.strategies.plain.values import to_ns


def reconcile_run(
    run: Path,
    fills: Path,
    *,
    strategies: Sequence[str] = (),
    within: str | int = "1s",
    any_order: bool = False,
) -> dict[str, Any]:
    """Compare the fills of a run with live ones.

    Parameters
    ----------
    run
        A complete run's folder.
    fills
        CSV or Parquet, see `read_live_fills`.
    strategies
        Only the run's fills of these; none given: all.
    within
        How far apart in time one and the same fill may be, like ``50ms``, or ns.
    any_order
        Match fills whatever orders they are of.

    Returns
    -------
    dict
        See `tapewire.analytics.reconcile.as_json`.

    Raises
    ------
    ConfigError
        If the run has no such strategy, or `within` is no span of time.
    InputError
        If the run or the file can't be read.
    """
    try:
        window_ns = to_ns(within, "within")
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None
    if window_ns < 0:
        raise ConfigError(f"within: expected a span of 0 or more, found {within!r}")
    folder = load_run(run)
    if folder.status != "complete":
        raise MissingFileError(
            f"expected a complete run in {run}, found one that is {folder.status}: "
            f"{folder.headline}"
        )
    there = [leg["strategy_id"] for leg in folder.manifest["legs"]]
    for name in strategies:
        if name not in there:
            raise ConfigError(f"{run}: expected a strategy {name!r}, {suggest(name, there)}")
    live = read_live_fills(fills)
    simulated = read_live_fills(run / "fills.parquet") if folder.fills.num_rows else []
    wanted = [fill for fill in simulated if not strategies or fill.strategy in strategies]
    if not all(fill.strategy for fill in live):
        wanted = [_without_strategy(fill) for fill in wanted]
    worths = {
        leg["symbol"]: [(0, leg["multiplier_num"], leg["multiplier_den"])]
        for leg in folder.manifest["legs"]
    } | folder.manifest.get("point_values", {})

    def value(symbol: str, units: int, ts_ns: int) -> int:
        steps = worths.get(symbol, [(0, 1, 1)])
        at = max(bisect_right(steps, ts_ns, key=lambda step: step[0]) - 1, 0)
        return units * int(steps[at][1]) // int(steps[at][2])

    return as_json(reconcile(live, wanted, window_ns=window_ns, any_order=any_order, value=value))


def _without_strategy(fill: LiveFill) -> LiveFill:
    return LiveFill(fill.ts_ns, fill.symbol, fill.side, fill.price, fill.lots, fill.order)
