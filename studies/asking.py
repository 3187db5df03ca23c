"""What a study is asked for: its part of a configuration, options, its base."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tapewire.config.loading import STUDY
from tapewire.config.parts import checked_part
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import DatabentoSource, RunConfig
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, MissingFileError
from tapewire.runs.requests import Request
from tapewire.studies.axes import combinations
from tapewire.studies.settings import StudySettings

#: Of keys that say which data trials are over.
DATA_SOURCE: Final = "data_source"


def settings_of(given: Mapping[str, Any], places: Places) -> StudySettings:
    """Return a study's settings, checked; see `checked_part`."""
    found = checked_part(StudySettings, STUDY, given, places)
    if "draws" in given and found.method != "random":
        problems = Problems(places)
        problems.add((STUDY, "draws"), f"expected method random with it, found {found.method}")
        problems.raise_if_any()
    return found


def base_of(request: Request, settings: StudySettings, label: Callable[[str], str]) -> RunConfig:
    """Return the configuration that trials differ from, checked.

    What it lacks and every trial has is the first trial's.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    MissingFileError
        If market data that all trials are over are not there.
    """
    config = _base_of(request, settings, label)
    source = config.backtest.data_source
    varies = any(DATA_SOURCE in name.split(".") for name in settings.vary)
    if isinstance(source, DatabentoSource) and not varies and settings.trials is None:
        for path in source.files:
            if not Path(path).exists():
                raise MissingFileError(f"{path}: expected market data, found no such file")
    return config


def _base_of(request: Request, settings: StudySettings, label: Callable[[str], str]) -> RunConfig:
    try:
        return request.checked(label)
    except ConfigError:
        first = next(iter(combinations(settings)))
        values: dict[KeyPath, Any] = {
            ("strategy", "0", "parameters", name): value
            for name, value in first.items()
            if name in settings.vary and "." not in name
        }
        completed = replace(request, overrides={**request.overrides, **values})
        try:
            return completed.checked(label)
        except ConfigError:
            pass
        raise


def names_given(vary: Iterable[str]) -> dict[str, str]:
    """Read axes as they are typed: ``NAME=VALUES``, several.

    Raises
    ------
    ConfigError
        If one has no name.
    """
    found: dict[str, str] = {}
    for text in vary:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise ConfigError(f"--vary: expected NAME=VALUES, like quantity=1,2,5, found {text!r}")
        found[name.strip()] = values.strip()
    return found
