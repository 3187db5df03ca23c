"""What is wrong with a declared strategy: all of it at once, each with its path and line."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import yaml
from pydantic import ValidationError

from tapewire.candles.indicators.registry import hint
from tapewire.errors import ConfigError

Path = tuple[str | int, ...]

#: So many problems are listed; the others are counted.
_LISTED_MAX: Final = 20
#: Whole numbers of more digits are not written out (Python itself refuses at 4,300).
_DIGITS_TOLD_MAX: Final = 50
_EXPECTED: Final = {
    "string_type": "a string",
    "string_too_short": "a string that is not empty",
    "string_too_long": "a string of at most {max_length} letters",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "a version as 1.0",
}


def written(path: Sequence[str | int]) -> str:
    """Write a path as people do: ``entry_rules.long.conditions[0].params.fast``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(top level)"


def described(value: Any) -> str:
    """Name what was found, briefly."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**_DIGITS_TOLD_MAX:
        return f"a whole number of more than {_DIGITS_TOLD_MAX} digits"
    text = json.dumps(value) if isinstance(value, (str, bool, type(None))) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def of_validation(error: ValidationError, known: dict[str, Any]) -> list[tuple[Path, str]]:
    """Return (path, what is wrong) of each thing that pydantic found.

    Parameters
    ----------
    error
        What it raised.
    known
        Keys that there are anywhere, for misspelt ones.
    """
    found: dict[Path, str] = {}
    for item in error.errors(include_url=False):
        loc = [part for part in item["loc"] if not (isinstance(part, str) and part[:1] == "@")]
        # Numbers of parameters are a union without tags.
        if loc and loc[-1] in ("float", "int") and "params" in loc:
            loc = loc[:-1]
        found.setdefault(tuple(loc), _sentence(item, known))
    return list(found.items())


def _sentence(item: Any, known: dict[str, Any]) -> str:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "missing":
        return "expected this key, found nothing"
    if kind == "extra_forbidden":
        return f"there is no key {item['loc'][-1]!r} here: {hint(str(item['loc'][-1]), known)}"
    if kind.startswith("union_tag"):
        keys = (
            f"a mapping of {', '.join(map(str, value)) or 'nothing'}"
            if isinstance(value, dict)
            else ""
        )
        return (
            "expected a rule with a key operator, indicator or type, found "
            f"{keys or described(value)}"
        )
    if item["loc"] and item["loc"][-1] in ("float", "int"):
        return f"expected a number, found {described(value)}"
    text = _EXPECTED.get(kind)
    if text is None:
        return f"{item['msg'][:1].lower()}{item['msg'][1:]}, found {described(value)}"
    return f"expected {text.format(**context)}, found {described(value)}"


def raise_problems(
    source: str, problems: Iterable[tuple[Path, str]], text: str | None = None
) -> None:
    """Raise what is wrong, if anything is.

    Parameters
    ----------
    source
        Where the strategy is from, as a file's path.
    problems
        (path, what is wrong).
    text
        The JSON it was read from: lines are told by it.

    Raises
    ------
    ConfigError
        One sentence for one problem, else a line that counts them and one each.
    """
    found = list(problems)
    if not found:
        return
    lines = _lines_of(text) if text is not None else {}
    sentences = []
    for path, message in found:
        line = next((lines[path[:k]] for k in range(len(path), 0, -1) if path[:k] in lines), None)
        where = source if line is None else f"{source}:{line}"
        sentences.append(f"{where}: {written(path)}: {message}")
    if len(sentences) == 1:
        raise ConfigError(sentences[0])
    listed = sentences[:_LISTED_MAX]
    if len(sentences) > _LISTED_MAX:
        listed.append(f"and {len(sentences) - _LISTED_MAX} more")
    error = ConfigError("\n  ".join([f"{source}: {len(sentences)} problems:", *listed]))
    error.problems = tuple(listed)
    raise error


def _lines_of(text: str) -> dict[Path, int]:
    """Return the line of each path of a JSON text, as far as it is YAML, too."""
    lines: dict[Path, int] = {}
    try:
        root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return lines

    def note(node: Any, path: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines[(*path, key.value)] = key.start_mark.line + 1
                note(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                lines[(*path, place)] = value.start_mark.line + 1
                note(value, (*path, place))

    note(root, ())
    return lines
