"""Parts of a configuration that are not a run's: a study's, a Monte Carlo's, a live session's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from tapewire.config.loading import read_config_text
from tapewire.config.problems import Places, Problems
from tapewire.config.wording import message_of
from tapewire.config.yaml import load_yaml
from tapewire.errors import ConfigError

#: What a part of a configuration becomes.
Part = TypeVar("Part", bound=BaseModel)
_RANGE_KEYS: Final = ("from", "to", "step", "log", "integer")
#: What pydantic puts into a path of a value that may be one of two kinds.
_KINDS: Final = ("range", "list", "factor", "anew")


def read_part(path: Path | None, key: str) -> tuple[dict[str, Any], Places]:
    """Return a part of a configuration file, and where its keys are; empty without one.

    Raises
    ------
    ConfigError
        If it is no mapping, or the file can't be read.
    """
    if path is None:
        return {}, Places(f"the {key}")
    text = read_config_text(path)
    document, lines = load_yaml(text, str(path))
    found = document.get(key) if isinstance(document, Mapping) else None
    if found is None:
        return {}, Places(str(path))
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: {key}: expected a mapping, found something else")
    return dict(found), Places(str(path), lines)


def checked_part(kind: type[Part], key: str, given: Mapping[str, Any], places: Places) -> Part:
    """Return a part of a configuration, checked.

    Parameters
    ----------
    kind
        What is made of it.
    key
        Where it stands.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    problems = Problems(places)
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = (key, *(p for p in item["loc"] if p not in _KINDS))
            if item["type"] == "extra_forbidden":
                known = _RANGE_KEYS if "range" in item["loc"] else kind.model_fields
                problems.add(path, problems.unknown_key(path, known))
            else:
                problems.add(path, message_of(item, path, kind))
    problems.raise_if_any()
    raise AssertionError("something is wrong with it")
