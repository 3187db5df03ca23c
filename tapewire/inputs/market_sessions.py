"""Sessions of synthetic markets for studies: each of one instrument, by a seed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tapewire.inputs.markets import calibrate_file
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan, SyntheticMarket
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.schemas import beside

#: What the one instrument of a session is called.
SESSION_SYMBOL: Final = "TWA1"
#: Records of a session whose length nobody says.
SESSION_RECORDS: Final = 500_000


def session_plan(
    model: str | None, hours: float | None, records: int | None, seed: int
) -> MarketPlan:
    """Return what a session is.

    Parameters
    ----------
    model
        The file of the market's model; None: the one that comes along.
    hours, records
        How long it is; `SESSION_RECORDS` where neither is given.

    Raises
    ------
    ConfigError, MissingFileError
        If there is no such model, or a number is out of range.
    """
    given: dict[str, Any] = {} if model is None else {"model": MarketModel.read(model)}
    if records is None and hours is None:
        records = SESSION_RECORDS
    plan = MarketPlan(events=records, hours=hours, seed=seed, **given)
    SyntheticMarket(plan)  # says what can't be made
    return plan


def session_file(path: Path, plan: MarketPlan) -> tuple[Path, Path]:
    """Make a session; return its records, and the definitions beside them.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    summary = write_market(path, plan)
    return summary.files[0], summary.definitions


def session_there(path: Path) -> tuple[Path, Path] | None:
    """Return the files of a session that is there already."""
    definitions = beside(path, "definition")
    return (path, definitions) if path.is_file() and definitions.is_file() else None


def session_model(
    like: str | os.PathLike[str] | None, symbol: str | None, calibration: str | None
) -> str | None:
    """Return the model that sessions are like, as its file has it; None: the one that comes along.

    Raises
    ------
    ConfigError, InputError
        If the file or the model can't be used.
    """
    if calibration is not None:
        return MarketModel.read(calibration).to_json()
    if like is not None:
        return calibrate_file(like, symbol=symbol).model.to_json()
    return None


def on_session(document: Mapping[str, Any], files: tuple[Path, Path]) -> dict[str, Any]:
    """Return a configuration, as plain values, that runs over a session instead.

    The session's one instrument stands for those of the configuration: what that says of a
    contract, where it says it of one alone, holds for it; strategies see it whatever symbols they
    had.

    Parameters
    ----------
    files
        See `session_file`.
    """
    backtest = dict(document["backtest"])
    records, definitions = files
    backtest["data_source"] = {
        "type": "databento", "files": [str(records)], "definition_files": [str(definitions)]
    }  # fmt: skip
    facts = list((backtest.get("instruments") or {}).values())
    own = {k: facts[0][k] for k in _KEPT_FACTS if k in facts[0]} if len(facts) == 1 else {}
    backtest["instruments"] = {SESSION_SYMBOL: own} if own else {}
    strategies = [
        {k: v for k, v in entry.items() if k not in ("symbols", "publishers")}
        for entry in document["strategy"]
    ]
    return {**document, "backtest": backtest, "strategy": strategies}


#: Facts of a contract that are not the market's own.
_KEPT_FACTS: Final = ("currency", "multiplier", "margin", "lot_size", "min_quantity")
