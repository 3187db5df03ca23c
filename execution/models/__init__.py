"""Models: one folder per family, one file per model, each an open set.

A family's ``__init__`` says what its kernels are asked and lists those that are built in. Kernels
of those are compiled into the loop; one that a user brings in a `ModelDefinition` is called by
address. ``delays`` and ``pricing`` are where the simulation asks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy.typing as npt

from tapewire.compiled.callbacks import BY_ADDRESS, address_of_kernel
from tapewire.compiled.user_kernels import KernelFault
from tapewire.errors import ConfigError
from tapewire.execution.models.definition import FAMILIES, WINDOW_NS_MAX, Model, ModelDefinition
from tapewire.execution.models.fees import FEE_MODELS
from tapewire.execution.models.fill import FILL_MODELS
from tapewire.execution.models.impact import IMPACT_MODELS
from tapewire.execution.models.latency import LATENCY_MODELS
from tapewire.execution.models.latency.compute import compute_bounds, compute_record
from tapewire.execution.models.latency.legs import LEGS, REQUESTS, check_bounds
from tapewire.execution.models.latency.profiles import PROFILES
from tapewire.execution.models.queue import QUEUE_MODELS
from tapewire.execution.models.record import FEE_LINES_MAX, HEARS_FEED, HEARS_SENDING, VARIES

__all__ = ["REGISTRIES", "Model", "ModelDefinition", "Models", "built_in", "latency_profile"]

#: The built-in models of each family, by name.
REGISTRIES: Final[Mapping[str, Mapping[str, ModelDefinition]]] = {
    "latency": LATENCY_MODELS,
    "fill": FILL_MODELS,
    "queue": QUEUE_MODELS,
    "impact": IMPACT_MODELS,
    "fees": FEE_MODELS,
}


def built_in(family: str, name: str, **parameters: Any) -> Model:
    """Return a built-in model with its parameters."""
    return Model(REGISTRIES[family][name], parameters)


def latency_profile(name: str, **parameters: Any) -> Model:
    """Return the latency model that a profile stands for, with some parameters changed.

    Raises
    ------
    ConfigError
        If there is no such profile, or a parameter does not fit its model.
    """
    if name not in PROFILES:
        raise ConfigError(f"expected a latency profile of {', '.join(PROFILES)}, found {name!r}")
    profile = PROFILES[name]
    return built_in("latency", profile.type, **{**profile.parameters, **parameters})


def _default(family: str, name: str) -> Callable[[], Model]:
    return lambda: built_in(family, name)


@dataclass(frozen=True)
class Models:
    """One model of each family, by default those of a configuration that names none."""

    latency: Model = field(default_factory=_default("latency", "fixed"))
    fill: Model = field(default_factory=_default("fill", "mbo_queue"))
    queue: Model = field(default_factory=_default("queue", "fifo"))
    impact: Model = field(default_factory=_default("impact", "none"))
    fees: Model = field(default_factory=_default("fees", "per_contract"))

    def __post_init__(self) -> None:
        for family in FAMILIES:
            found = getattr(self, family).definition.family
            if found != family:
                raise ConfigError(f"expected a {family} model, found a {found} model")
        lines = len(self.fees.definition.lines)
        if lines > FEE_LINES_MAX:
            raise ConfigError(
                f"fees model {self.fees.definition.name}: expected at most {FEE_LINES_MAX} lines, "
                f"found {lines}"
            )
        self.latency_bounds()

    def latency_bounds(self) -> dict[str, tuple[int, int]]:
        """Smallest and largest delay of each leg, in ns."""
        definition, parameters = self.latency.definition, self.latency.parameters
        name = f"latency model {definition.name}"
        if definition.bounds is None:
            raise ConfigError(f"{name}: it states no bounds")
        try:
            bounds = definition.bounds(parameters)
            if (compute := self._compute) is not None:
                low, high = compute_bounds(compute)
                bounds = tuple(
                    (least + low, most + high) if leg in REQUESTS else (least, most)
                    for leg, (least, most) in enumerate(bounds)
                )
            check_bounds(bounds)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None
        return dict(zip(LEGS, bounds, strict=True))

    @property
    def _compute(self) -> Mapping[str, Any] | None:
        """The section ``compute`` of the latency model, if it has one."""
        return self.latency.parameters.get("compute")

    @property
    def files(self) -> dict[str, tuple[int, str]]:
        """Bytes and sha256 of every file that a model reads, by its path."""
        models: list[Model] = [getattr(self, family) for family in FAMILIES]
        return {path: digest for model in models for path, digest in model.files.items()}

    def decay(self) -> npt.NDArray[Any] | None:
        """What becomes of a push, shape (1,) of `impact.decay.DECAY`, where the model says so."""
        decay = self.impact.definition.decay
        return None if decay is None else decay(self.impact.parameters)

    @property
    def remembers_pushes(self) -> bool:
        """Whether what own taking has pushed the price by outlives it."""
        decay = self.decay()
        return decay is not None and bool(decay["n"][0] or decay["lasting"][0])

    @property
    def window_ns(self) -> int:
        """Length of the window whose events are the latency model's load; 0: it asks for none.

        `HEARS_FEED` or `HEARS_SENDING` where its load is the feed's latency.
        """
        hears_feed = self.latency.definition.hears_feed
        if hears_feed is not None:
            return HEARS_SENDING if hears_feed(self.latency.parameters) else HEARS_FEED
        window = self.latency.definition.window_ns
        length_ns = 0 if window is None else window(self.latency.parameters)
        if not 0 <= length_ns <= WINDOW_NS_MAX:
            raise ConfigError(
                f"latency model {self.latency.definition.name}: expected a window of at most "
                f"{WINDOW_NS_MAX:,} ns, found {length_ns:,}"
            )
        return length_ns

    @property
    def beyond_ticks(self) -> int:
        """Ticks worse than an order's price that the fill model's volume beyond it begins at."""
        ticks = self.fill.definition.ticks
        return 1 if ticks is None else ticks(self.fill.parameters)

    def write(self, record: Any) -> list[object]:
        """Write them into a `record.MODELS` record; returns what must be kept as long as it."""
        kept: list[object] = []
        for family, words in FAMILIES.items():
            model: Model = getattr(self, family)
            definition = model.definition
            names = list(REGISTRIES[family])
            state, arrays = model.new_state()
            _ = model.files  # as they are now, when they are read
            kept += [state, arrays]
            record[f"{family}_state"] = state.ctypes.data
            if REGISTRIES[family].get(definition.name) is definition:
                record[family] = names.index(definition.name)
            else:
                record[family] = BY_ADDRESS
                record[f"{family}_call"] = _address(definition, len(words))
        if (compute := self._compute) is not None:
            kept.append(drawn := compute_record(compute))
            record["compute"] = drawn[0].ctypes.data
        decay = self.decay()
        if decay is not None:
            kept.append(decay)
            record["impact_decay"] = decay.ctypes.data
        record["fee_lines"] = len(self.fees.definition.lines)
        fill, queue = self.fill.definition, self.queue.definition
        record["fill_draws"], record["queue_draws"] = fill.draws, queue.draws
        record["whole_level"] = fill.whole_level or queue.whole_level
        if queue.estimate is not None:
            record["queue_estimate"], record["queue_power"] = queue.estimate(self.queue.parameters)
        record["beyond_ticks"] = self.beyond_ticks
        drawn_ns = 0 if compute is None else compute_bounds(compute)[1]
        for leg, (low, high) in enumerate(self.latency_bounds().values()):
            record["delay_ns"][leg] = low if low == high else VARIES
            record["delay_max_ns"][leg] = high - drawn_ns if leg in REQUESTS else high
        return kept


def _address(definition: ModelDefinition, words: int) -> int:
    try:
        return address_of_kernel(definition.kernel, definition.state, words)
    except KernelFault as fault:
        raise ConfigError(
            f"{definition.family} model {definition.name}: its kernel can't be compiled: {fault}"
        ) from None
