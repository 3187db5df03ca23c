"""Turns what pydantic found wrong into one sentence: where, expected, found, what to do."""

import difflib
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from tapewire._yaml import KeyPath
from tapewire.errors import ConfigError

_EXPECTED: Final = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "string_too_short": "a non-empty string",
    "too_short": "at least {min_length} of them",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "a string like {pattern}",
}


def describe(value: object) -> str:
    """How a value is named in a message: its text and, where it helps, its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, str):
        return f"{value!r} (a string)" if len(value) <= 80 else f"a string of {len(value)} letters"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``(did you mean 'x'?)`` with a close name, or the list of known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known here"


def expected(what: str, value: object) -> PydanticCustomError:
    """Return the error a validator of ours raises; `what` completes "expected …"."""
    return PydanticCustomError("expected", "expected {what}", {"what": what, "value": value})


def dotted(path: Iterable[str | int]) -> str:
    """Write a key path as people do: ``backtest.data_source.files[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(top level)"


def config_error(
    path: KeyPath, message: str, source: str, lines: dict[KeyPath, int] | None = None
) -> ConfigError:
    """Build the error for one key of one file; the line is that of the nearest known key."""
    where = source
    for end in range(len(path), 0, -1):
        if lines and path[:end] in lines:
            where = f"{source}:{lines[path[:end]]}"
            break
    return ConfigError(f"{where}: {dotted(path)}: {message}")


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the model that owns the keys at `path`, looking through lists, dicts and unions."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return None
        if isinstance(part, int) or part not in current.model_fields:
            continue
        current = next(iter(_models_in(current.model_fields[part].annotation)), None)
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in get_args(annotation) for m in _models_in(arg)]


def _key_path(error: ErrorDetails, tags: Collection[object]) -> KeyPath:
    """Pydantic puts the tag of a union's chosen member into the path; no key is named so."""
    path: list[str | int] = []
    for part in error["loc"]:
        if path and path[-1] == "data_source" and part in tags:
            continue
        path.append(part)
    if error["type"].startswith("union_tag"):
        path.append("type")
    return tuple(path)


def from_validation(
    error: ValidationError,
    model: type[BaseModel],
    union_models: dict[str, type[BaseModel]],
    source: str,
    lines: dict[KeyPath, int],
    rename: dict[KeyPath, KeyPath],
) -> ConfigError:
    """Report the first problem in the order of the file, and how many more there are.

    Parameters
    ----------
    error
        What pydantic found.
    model, union_models
        The root model, and the members of its one tagged union by tag.
    source, lines
        Name of the file and line of each key path.
    rename
        Prefixes of key paths that the file spells otherwise than the model.
    """
    problems: list[tuple[bool, int, KeyPath, str]] = []
    for item in error.errors(include_url=False):
        path = _key_path(item, union_models.keys())
        owner = _model_at(model, path[:-1])
        tag = next((p for p in item["loc"] if p in union_models), None)
        if tag is not None and "data_source" in path[:-1]:
            owner = union_models[str(tag)]
        message = _message(item, path, owner)
        for model_prefix, file_prefix in rename.items():
            if path[: len(model_prefix)] == model_prefix:
                path = file_prefix + path[len(model_prefix) :]
        line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), 0)
        # A misspelt key is often why another one is missing, so it comes first.
        problems.append((item["type"] != "extra_forbidden", line, path, message))
    problems.sort(key=lambda p: p[:2])
    _, _, path, message = problems[0]
    more = len(problems) - 1
    if more:
        message += f" (and {more} more {'problem' if more == 1 else 'problems'})"
    return config_error(path, message, source, lines)


def _message(item: ErrorDetails, path: KeyPath, owner: type[BaseModel] | None) -> str:
    kind = item["type"]
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key, {suggest(str(path[-1]), owner.model_fields if owner else ())}"
    if kind in ("missing", "union_tag_not_found"):
        return "expected this key, found nothing"
    if kind == "expected":
        return f"expected {context['what']}, found {describe(context['value'])}"
    if kind == "union_tag_invalid":
        return f"expected {context['expected_tags']}, found {describe(context['tag'])}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**context)}, found {describe(item['input'])}"
    return f"{item['msg'][:1].lower()}{item['msg'][1:]}, found {describe(item['input'])}"
