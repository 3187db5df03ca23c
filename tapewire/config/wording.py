"""Turns what pydantic found wrong into words: expected, found, what to do."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails, PydanticCustomError

from tapewire.config.yaml import KeyPath

_EXPECTED: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
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
}


#: Whole numbers of more digits are not written out (Python itself refuses at 4,300).
_DIGITS_TOLD_MAX: Final = 80


def describe(value: object) -> str:
    """How a value is named in a message: its text and, where it helps, its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, int) and abs(value) >= 10**_DIGITS_TOLD_MAX:
        return f"a whole number of more than {_DIGITS_TOLD_MAX} digits"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, str):
        return f"{value!r} (a string)" if len(value) <= 80 else f"a string of {len(value)} letters"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def close_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is like this one, if there is one."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``(did you mean 'x'?)`` with a close name, or the list of known ones."""
    names = sorted(known)
    close = close_name(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    return f"known: {', '.join(names)}" if names else "none are known here"


def expected(what: str, value: object) -> PydanticCustomError:
    """Return the error a validator of ours raises; `what` completes "expected …"."""
    return PydanticCustomError("expected", "expected {what}", {"what": what, "value": value})


def dotted(path: Iterable[str | int], top: str = "(top level)") -> str:
    """Write a key path as people do: ``backtest.data_source.files[0]``; no path is the `top`."""
    text = ""
    for part in path:
        name = part if isinstance(part, int) or str(part).isprintable() else repr(part)
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else str(name)
    return text or top


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


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """Return every key of a model and of those in it, as `dotted` writes it."""
    keys = []
    for name, field in model.model_fields.items():
        inner = {key for m in _models_in(field.annotation) for key in dotted_keys(m)}
        keys += [name, *(f"{name}.{key}" for key in sorted(inner))]
    return keys


def key_path(error: ErrorDetails, tags: Collection[object]) -> KeyPath:
    """Pydantic puts the tag of a union's chosen member into the path; no key is named so."""
    path: list[str | int] = []
    for part in error["loc"]:
        if path and path[-1] == "data_source" and part in tags:
            continue
        path.append(part)
    if error["type"].startswith("union_tag"):
        path.append("type")
    return tuple(path)


def owner_of(
    error: ErrorDetails, model: type[BaseModel], union_models: Mapping[str, type[BaseModel]]
) -> type[BaseModel] | None:
    """Return the model whose key the error is about; `union_models`: the one union, by tag."""
    path = key_path(error, union_models)
    tag = next((p for p in error["loc"] if p in union_models), None)
    if tag is not None and "data_source" in path[:-1]:
        return _model_at(union_models[str(tag)], path[path.index("data_source") + 1 : -1])
    return _model_at(model, path[:-1])


def message_of(item: ErrorDetails, path: KeyPath, owner: type[BaseModel] | None) -> str:
    """Say what was expected and what was found."""
    kind = item["type"]
    context = item.get("ctx", {})
    if kind in ("missing", "union_tag_not_found"):
        return "expected this key, found nothing"
    if kind == "expected":
        return f"expected {context['what']}, found {describe(context['value'])}"
    if kind == "union_tag_invalid":
        return f"expected {context['expected_tags']}, found {describe(context['tag'])}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**context)}, found {describe(item['input'])}"
    return f"{item['msg'][:1].lower()}{item['msg'][1:]}, found {describe(item['input'])}"
