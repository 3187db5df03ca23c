"""What a strategy takes to compute, drawn anew for each request from one of the distributions.

A section ``compute`` has the ``type`` of a drawn latency and its parameters without the leg:
``{type: lognormal, median_us: 5, sigma: 0.5}``. It is added to what the latency model says of new
orders, cancels and replaces, whatever that model is.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.parameters import ParameterFault, ParameterSpec, check_section
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import REQUESTS, check_bounds
from tapewire.execution.models.latency.quantiles import DRAWN, STATE, Mixture, ends_of

COMPUTE_PARAMETER: Final = ParameterSpec(
    dict, "drawn compute time: type and parameters of a drawn latency", optional=True
)


def with_compute(definition: ModelDefinition) -> ModelDefinition:
    """The same latency model, which may have a section ``compute``."""
    own = definition.check

    def check(parameters: Mapping[str, Any]) -> None:
        if own is not None:
            own(parameters)
        check_compute(parameters)

    parameters = {**definition.parameters, "compute": COMPUTE_PARAMETER}
    return replace(definition, parameters=parameters, check=check)


def check_compute(parameters: Mapping[str, Any]) -> None:
    """Raise `ParameterFault` if the section ``compute``, where there is one, is none."""
    section = parameters["compute"]
    if section is None:
        return
    if parameters.get("compute_us") is not None:
        raise ParameterFault(("compute",), "expected none beside compute_us")
    types = {name: specs for name, (specs, _) in DRAWN.items()}
    kind = check_section("compute", section, types)
    middle = _middle(kind)
    if middle not in section:  # what is usual on a network is not where nobody computes
        raise ParameterFault(("compute", middle), f"expected this key with type {kind}")
    try:
        bounds = _bounds(_mixture(section))
        check_bounds(((0, 0), bounds, bounds, bounds, (0, 0), (0, 0)))
    except ValueError as error:
        raise ParameterFault(("compute",), str(error)) from None


def _middle(kind: str) -> str:
    return next(name for name in ("median_us", "mean_us") if name in DRAWN[kind][0])


def _mixture(section: Mapping[str, Any]) -> Mixture:
    specs, mixture = DRAWN[section["type"]]
    values = {
        name: Decimal(str(section[name])) if name in section else spec.default
        for name, spec in specs.items()
    }
    return mixture(**values)


def _bounds(mixture: Mixture) -> tuple[int, int]:
    ends = ends_of(mixture)
    return min(ends), max(ends)


def compute_bounds(section: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest compute time of a checked section, in ns."""
    return _bounds(_mixture(section))


def compute_record(section: Mapping[str, Any]) -> tuple[npt.NDArray[Any], object]:
    """A `quantiles.STATE` record, shape (1,), of a checked section, and what is kept with it."""
    table, other, choice = _mixture(section)
    kept = [np.concatenate(one) for one in (table, table if other is None else other)]
    record = np.zeros(1, STATE)
    for leg in REQUESTS:
        record["tables"][0, leg], record["others"][0, leg] = (one.ctypes.data for one in kept)
        record["choice"][0, leg] = choice
    return record, kept
