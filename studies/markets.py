"""Synthetic markets that trials run over: each made by the worker that needs it, with its seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_write
from tapewire.errors import ConfigError

#: In the study's folder, where the model is not the one that comes along.
MODEL: Final = "market-model.json"


@dataclass(frozen=True)
class MarketMaker:
    """How the markets of a study are made.

    Attributes
    ----------
    model
        The file of their model; None: the one that comes along.
    hours, records
        Length of each.
    keep
        The folder that they stay in; None: they go with the pass.
    """

    model: str | None
    hours: float | None
    records: int | None
    keep: str | None = None

    def argument(self, number: int, seed: int) -> dict[str, Any]:
        """Return what `make_market` is asked for, as plain values."""
        return {
            "plan": [self.model, self.hours, self.records, seed],
            "name": f"market-{number:07d}.mbo.dbn.zst",
            "keep": self.keep,
        }

    def check(self) -> None:
        """Refuse what can't be made, before anything is.

        Raises
        ------
        ConfigError, MissingFileError
            If a market can't be as long as it should, or there is no such model.
        """
        from tapewire.inputs.market_sessions import session_plan

        session_plan(self.model, self.hours, self.records, 0)


def make_market(argument: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Make a synthetic market of one session, unless it is there.

    Parameters
    ----------
    argument
        See `MarketMaker.argument`.
    folder
        Where it goes that is not to be kept.

    Returns
    -------
    Path, Path
        Its records, and the definitions beside them.
    """
    from tapewire.inputs.market_sessions import session_file, session_plan, session_there

    place = Path(argument["keep"] or folder)
    place.mkdir(parents=True, exist_ok=True)
    path = place / argument["name"]
    return session_there(path) or session_file(path, session_plan(*argument["plan"]))


def on_market(document: Mapping[str, Any], files: tuple[Path, Path]) -> dict[str, Any]:
    """Return a configuration over a market; see `tapewire.inputs.market_sessions.on_session`."""
    from tapewire.inputs.market_sessions import on_session

    return on_session(document, files)


def market_again(
    plan: Mapping[str, Any], study: Path, folder: Path, number: int, seed: int
) -> tuple[Path, Path]:
    """Make the market of a trial again, in a folder where it stays, unless it is there.

    Parameters
    ----------
    plan
        Of the study.
    study, folder
        The study's folder, and where its markets stay.

    Raises
    ------
    ConfigError
        If the study does not say how.
    """
    facts = plan.get("market")
    if facts is None:
        raise ConfigError(f"trial {number}: expected a study that says how its markets are made")
    model = None if facts["model"] is None else str(study / MODEL)
    maker = MarketMaker(model, facts["hours"], facts["records"], str(folder))
    return make_market(maker.argument(number, seed), folder)


def keep_model(text: str | None, study: Path) -> str | None:
    """Write the model of a study's markets into its folder; return its file."""
    if text is None:
        return None
    atomic_write(study / MODEL, text)
    return str(study / MODEL)
