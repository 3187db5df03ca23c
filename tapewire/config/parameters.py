"""Checks values against the parameters that a definition declares: a strategy's, a model's."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.problems import Problems
from tapewire.config.wording import close_name, describe
from tapewire.config.yaml import KeyPath

if TYPE_CHECKING:
    from tapewire.compiled.parameters import ParameterSpec

_KINDS: Final = {
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    bool: "true or false",
    str: "a string",
    dict: "a mapping",
    list: "a list",
}


def check_values(
    specs: Mapping[Any, "ParameterSpec"],
    given: Mapping[Any, Any],
    where: KeyPath,
    problems: Problems,
    *,
    unknown: Callable[[str], str],
    missing: Callable[["ParameterSpec"], str],
) -> dict[str, Any]:
    """Note every problem of some parameters; return the declared ones that have none, typed.

    Parameters
    ----------
    specs, given
        What is declared, and what a configuration says.
    where
        Key path of the mapping that they stand in.
    problems
        Where problems go.
    unknown
        Says what is wrong with a parameter of a name that is not declared.
    missing
        Says what is wrong where a required one is not given.
    """
    values: dict[str, Any] = {}
    misspelt: set[str | None] = set()
    for name in given:
        if name not in specs:
            misspelt.add(close_name(str(name), specs))
            problems.add((*where, name), unknown(name))
    for name, spec in specs.items():
        path = (*where, name)
        if name not in given:
            if spec.required and name not in misspelt:
                problems.add(path, missing(spec))
            values[name] = spec.default
            continue
        value = _converted(given[name], spec.type)
        fault = _KINDS.get(spec.type, "a path") if value is None else spec.fault(value)
        if fault:
            problems.add(path, f"expected {fault}, found {describe(given[name])}")
        else:
            values[name] = value
    return values


def _converted(value: object, kind: type) -> Any:
    """Return `value` as `kind` where it is one, None where it is not; bools are no numbers."""
    if isinstance(value, bool):
        return value if kind is bool else None
    if kind is int:
        return value if isinstance(value, int) and abs(value) < 2**63 else None
    if kind in (float, Decimal):
        if not isinstance(value, (int, float, Decimal)):
            return None
        if kind is Decimal:
            return Decimal(str(value))
        number = float(value)
        return number if math.isfinite(number) else None
    if kind is Path:
        return Path(value) if isinstance(value, str) and value else None
    return value if isinstance(value, kind) else None
