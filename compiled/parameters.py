"""Parameters that a definition declares: of a strategy, of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its type, default, bounds and meaning.

    Attributes
    ----------
    type : type
        int, float, bool, str, ``Decimal`` or ``pathlib.Path`` (a file, relative to the
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


def with_defaults(specs: Mapping[str, ParameterSpec], given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete checked parameters with defaults.

    Raises
    ------
    ValueError
        If one is not declared, or a required one is missing; the text says which.
    """
    for name in given:
        if name not in specs:
            known = ", ".join(specs) or "none"
            raise ValueError(f"there is no parameter {name}, known: {known}")
    for name, spec in specs.items():
        if spec.required and given.get(name) is None:
            raise ValueError(f"parameter {name} is missing ({spec.doc})")
    return {name: given.get(name, spec.default) for name, spec in specs.items()}
