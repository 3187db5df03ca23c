"""Parameters that a definition declares: of a strategy, of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_PLACES: Final = {3: "three", 6: "six", 9: "nine"}
#: Powers of ten of numbers whose places can be counted; larger ones are above any maximum.
_ADJUSTED_MAX: Final = 12


class ParameterFault(ValueError):
    """What is wrong with a part of parameters, said with its place among them."""

    def __init__(self, path: tuple[str | int, ...], text: str) -> None:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        super().__init__(f"{place.lstrip('.')}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its type, default, bounds and meaning.

    Attributes
    ----------
    type : type
        int, float, bool, str, list, ``Decimal`` or ``pathlib.Path`` (a file, relative to the
        configuration's folder).
    doc : str
    default : any, optional
        No default (None) makes the parameter a required one, unless it is ``optional``.
    minimum, maximum : any, optional
        Bounds, both included.
    decimals : int
        Places a Decimal may have.
    optional : bool
        May be left out, and is None then: ``doc`` says what holds instead.
    """

    type: type
    doc: str
    default: Any = None
    minimum: Any = None
    maximum: Any = None
    decimals: int = 9
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None and not self.optional

    def fault(self, value: Any) -> str:
        """What is expected instead of a value, of the parameter's type; empty if it is right."""
        if isinstance(value, Decimal):
            if not value.is_finite():
                return "a finite number"
            if value.adjusted() <= _ADJUSTED_MAX and value.scaleb(self.decimals) % 1:
                return f"at most {_PLACES[self.decimals]} decimal places"
        if self.minimum is not None and value < self.minimum:
            return f"at least {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"at most {self.maximum}"
        return ""


def with_defaults(specs: Mapping[str, ParameterSpec], given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters with defaults; they are of their types.

    Raises
    ------
    ValueError
        If one is not declared or out of bounds, or a required one is missing; the text says which.
    """
    for name in given:
        if name not in specs:
            known = ", ".join(specs) or "none"
            raise ValueError(f"there is no parameter {name}, known: {known}")
    for name, spec in specs.items():
        value = given.get(name)
        if value is None and spec.required:
            raise ValueError(f"parameter {name} is missing ({spec.doc})")
        if value is not None and (fault := spec.fault(value)):
            raise ValueError(f"parameter {name}: expected {fault}, found {value}")
    return {name: given.get(name, spec.default) for name, spec in specs.items()}


def check_section(
    key: str, section: Mapping[str, Any], types: Mapping[str, Mapping[str, ParameterSpec]]
) -> str:
    """Check a parameter that is a section of numbers, of one of several types; returns that.

    Raises
    ------
    ParameterFault
        If its ``type`` is none of them, or a number of that type is unknown, wrong or missing.
    """
    kind = section.get("type")
    if not isinstance(kind, str) or kind not in types:
        found = "nothing" if kind is None else repr(kind)
        raise ParameterFault((key, "type"), f"expected {', '.join(types)}, found {found}")
    specs = types[kind]
    for name, value in section.items():
        if name == "type":
            continue
        if name not in specs:
            known = ", ".join(("type", *specs))
            raise ParameterFault((key, name), f"unknown key with type {kind}, known: {known}")
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise ParameterFault((key, name), f"expected a number, found {value!r}")
        if fault := specs[name].fault(Decimal(str(value))):
            raise ParameterFault((key, name), f"expected {fault}, found {value}")
    for name, spec in specs.items():
        if spec.required and name not in section:
            raise ParameterFault((key, name), f"expected this key with type {kind}")
    return kind
