"""The searches by their names: random, genetic, grammar."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tapewire.candles.rules import DeclaredStrategy
from tapewire.errors import ConfigError, MissingFileError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.searches import AskTell, DrawnSearch
from tapewire.generator import (
    GeneticSearch,
    GeneticSettings,
    draw_strategies,
)


def search_of(
    settings: FactorySettings, state: Mapping[str, Any] | None = None, *, more: int = 0
) -> AskTell:
    """Return the search that is asked for, or one that goes on.

    Parameters
    ----------
    settings
        What is asked for.
    state
        Of a search with these settings; None: it begins.
    more
        Generations beyond those of the settings, of a genetic one.
    """
    if settings.method == "genetic":
        if state is None:
            search = GeneticSearch(
                GeneticSettings(settings.population, settings.generations), seed=settings.seed,
                constraints=settings.constraints, timeframes=settings.timeframes,
            )  # fmt: skip
        else:
            search = GeneticSearch.from_state(state)
        if more:
            search.more(more)
        return search
    told = 0 if state is None else int(state["told"])
    return DrawnSearch(lambda count: _drawn(settings, count), settings.count, settings.batch, told)


def _drawn(settings: FactorySettings, count: int) -> Iterator[DeclaredStrategy]:
    if settings.method == "grammar":
        from tapewire.generator.grammar import derive_strategies

        return derive_strategies(
            count, grammar=settings.grammar, seed=settings.seed, constraints=settings.constraints,
            timeframes=settings.timeframes,
        )  # fmt: skip
    return draw_strategies(
        count, seed=settings.seed, constraints=settings.constraints, timeframes=settings.timeframes
    )


def grammar_text(path: Path | None) -> str | None:
    """Return what a file of a grammar says, if it is one; None: none is named.

    Raises
    ------
    MissingFileError
        If it can't be read.
    ConfigError
        If it is no grammar, with the line, or no UTF-8.
    """
    if path is None:
        return None
    from tapewire.generator.grammar import StrategyGrammar

    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected UTF-8, found none") from None
    StrategyGrammar(text, source=str(path))
    return text
