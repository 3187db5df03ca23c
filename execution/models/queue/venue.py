"""As the instrument's own venue shares out, by the letter of its match algorithm.

The letter is that of an instrument definition (DBN's ``match_algorithm``, FIX tag 1142); where it
is not known, or is one that no model is built for, this is by time.
"""

from collections.abc import Mapping
from typing import Any, Final

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.queue.mix import SPECS, STATE, kernel, set_steps
from tapewire.market.instruments import algorithm_number

_BY_TIME: Final = {
    "top_lots_min": 1, "top_lots_max": 0, "lead_percent": 0, "fifo_percent": 100,
    "pro_rata_lots_min": 1, "leveling": False,
}  # fmt: skip
#: Letters, and which of the steps their venue takes.
STEPS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "F": (),
    "T": ("lead_percent",),
    "S": ("top_lots_min", "top_lots_max", "lead_percent"),
    "C": ("pro_rata_lots_min",),
    "A": ("top_lots_max", "pro_rata_lots_min"),
    "O": ("top_lots_min", "top_lots_max", "pro_rata_lots_min"),
    "Q": ("top_lots_min", "top_lots_max", "lead_percent", "pro_rata_lots_min"),
    "K": ("lead_percent", "fifo_percent", "pro_rata_lots_min", "leveling"),
}
_DEFAULTS: Final = {"fifo_percent": 40, "pro_rata_lots_min": 2}


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the steps of each letter into the state record."""
    set_steps(state, _BY_TIME)
    for letter, names in STEPS_OF.items():
        by_size = {"fifo_percent": 0} if "pro_rata_lots_min" in names else {}
        steps = {**_BY_TIME, **by_size, **{name: parameters[name] for name in names}}
        set_steps(state, steps, algorithm_number(letter))


VENUE: Final = ModelDefinition(
    family="queue",
    name="venue",
    doc="as the instrument's match algorithm says",
    kernel=kernel,
    parameters={
        name: ParameterSpec(
            spec.type, spec.doc, _DEFAULTS.get(name, spec.default), spec.minimum, spec.maximum
        )
        for name, spec in SPECS.items()
    },
    state=STATE,
    prepare=prepare,
    whole_level=True,
)  # fmt: skip
