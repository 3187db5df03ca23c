"""What is not known for certain of a run, drawn: delays, fills, fees, seeds, anything that varies.

Each value of a trial depends on the seed, its name and the trial's number alone.
"""

import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.config.models import chosen_models, execution_of, fixed_delays_us
from tapewire.config.schema import Execution, RunConfig
from tapewire.config.wording import close_name
from tapewire.errors import ConfigError
from tapewire.studies.axes import Trial, value_at
from tapewire.studies.base import Base
from tapewire.studies.factors import Factor, Perturbation
from tapewire.studies.settings import Range

#: What is drawn where nothing is said: as far as the configuration has a use for it.
DEFAULTS: Final[Mapping[str, Perturbation]] = {
    "seed": True,
    "latency": Factor(lognormal=0.25),
    "fill": Factor(uniform=(0.8, 1.0)),
    "fees": Factor(uniform=(0.9, 1.1)),
}
#: Latency models whose delays are all given in µs.
_SCALED: Final = ("fixed", "uniform", "normal", "lognormal", "gamma", "pareto", "burst")
#: Parameters of theirs that are no delays of messages.
_NO_DELAY: Final = ("compute_us", "burst_window_us")
_DELAY_MAX_US: Final = 60_000_000.0
_FEES: Final = ("per_contract", "maker_bps", "taker_bps")
#: Of the generators: trials, and seeds of markets.
_OF_TRIALS: Final = 1
_OF_MARKETS: Final = 2

_Maker = Callable[["_Perturbed", Any, np.random.Generator], dict[str, Any]]


class _NoUseError(ConfigError):
    """A perturbation that the configuration has no use for."""


class _Perturbed:
    """The configuration whose values are drawn around."""

    def __init__(self, config: RunConfig, base: Base) -> None:
        (self.entry,) = config.strategy
        self.base = base
        self.backtest = config.backtest
        self.execution: Execution = execution_of(self.entry, config.backtest)
        #: What delays that are drawn are multiplied with.
        self.scale = 1.0

    def configured(self, name: str) -> Any:
        """Return what the configuration has of a name, which has to be one of something."""
        try:
            return self.base.configured(name)
        except ConfigError as error:
            close = close_name(name, _SPECIAL)
            if close is not None:
                raise ConfigError(
                    f"perturb: expected {', '.join(_SPECIAL)} or what a sweep varies, found "
                    f"{name!r}, did you mean {close!r}?"
                ) from None
            raise ConfigError(str(error).replace("study.vary", "perturb", 1)) from None

    def key(self, section: str, name: str = "") -> str:
        """Return the key of a model's parameter, where the strategy's is in force."""
        own = self.entry.execution
        mine = own is not None and getattr(own, section) is not None
        home = "strategy.0.execution" if mine else "backtest.execution"
        return f"{home}.{section}" + (f".{name}" if name else "")


def perturbed_trials(
    config: RunConfig, perturb: Mapping[str, Perturbation], count: int, seed: int
) -> list[Trial]:
    """Return trials 1 to `count`, each with values drawn.

    Raises
    ------
    _NoUseError
        If the configuration has no use for one.
    ConfigError
        If a name is none.
    """
    around = _Perturbed(config, Base(config.to_dict(), []))
    trials = []
    for number in range(1, count + 1):
        values: dict[str, Any] = {}
        for name, given in perturb.items():
            random = _generator(seed, _OF_TRIALS, number, name)
            if name == "latency" and "jitter" in perturb:
                continue  # it is in what jitter draws
            if name == "jitter" and "latency" in perturb:
                scale = _generator(seed, _OF_TRIALS, number, "latency")
                around.scale = _factor("latency", perturb["latency"]).draw(scale)
            values |= _SPECIAL.get(name, _other(name))(around, given, random)
        trials.append(Trial(number, values))
    return trials


def default_perturbations(config: RunConfig) -> tuple[dict[str, Perturbation], dict[str, str]]:
    """Return what of `DEFAULTS` a configuration has a use for, and why it has none for the rest."""
    used: dict[str, Perturbation] = {}
    unused = {}
    for name, given in DEFAULTS.items():
        try:
            perturbed_trials(config, {name: given}, 1, 0)
        except _NoUseError as error:
            unused[name] = str(error)
        else:
            used[name] = given
    return used, unused


def market_seeds(count: int, seed: int) -> list[int]:
    """Return the seed of each synthetic market."""
    return [
        int(_generator(seed, _OF_MARKETS, number, "market").integers(1 << 53))
        for number in range(1, count + 1)
    ]


def _generator(seed: int, purpose: int, number: int, name: str) -> np.random.Generator:
    key = [seed, purpose, number, zlib.crc32(name.encode())]
    return np.random.Generator(np.random.PCG64(key))


def _factor(name: str, given: Any) -> Factor:
    if not isinstance(given, Factor):
        raise ConfigError(
            f"perturb.{name}: expected a factor, like lognormal:0.25 or uniform:0.5:1, found values"
        )
    return given


def _seed(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
    if given is not True:
        raise ConfigError("perturb.seed: expected no distribution (true): each trial has its own")
    key = "backtest.seed" if around.entry.seed is None else "strategy.0.seed"
    return {key: int(random.integers(1 << 53))}


def _latency(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
    model = around.execution.latency_model
    factor = _factor("latency", given).draw(random)
    if model.type not in _SCALED:
        raise _NoUseError(
            f"perturb.latency: expected a latency model of type {', '.join(_SCALED)}, found "
            f"{model.type}"
        )
    found = {}
    for name, value in model.given.items():
        is_delay = name.endswith(("_us", "_us_per_event"))
        if is_delay and name not in _NO_DELAY and value:
            key = around.key("latency_model", name)
            found[key] = round(min(float(value) * factor, _DELAY_MAX_US), 3)
    if not found:
        raise _NoUseError("perturb.latency: expected delays to scale, found none but 0")
    return found


def _jitter(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
    """Have each message's delay drawn: lognormal, its median what the fixed model says."""
    model = around.execution.latency_model
    if model.type != "fixed":
        raise _NoUseError(
            f"perturb.jitter: expected a latency model of type fixed, found {model.type}"
        )
    if not isinstance(given, (Range, list)):
        raise ConfigError(
            "perturb.jitter: expected sigmas of each delay's logarithm, like 0:0.5, found a factor"
        )
    sigma = value_at(given, float(random.random()))
    parameters = chosen_models(around.execution).latency.parameters
    drawn: dict[str, Any] = {"type": "lognormal"}
    for leg, delay_us in fixed_delays_us(around.execution).items():
        name = "order" if leg == "entry" else leg
        if leg != "feed" or delay_us:
            drawn[f"{name}_latency_median_us"] = round(delay_us * around.scale, 3)
            drawn[f"{name}_latency_sigma"] = sigma
    if parameters["compute_us"] is not None:
        drawn["compute_us"] = float(parameters["compute_us"])
    return {around.key("latency_model"): drawn}


def _fill(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
    model = around.execution.fill_model
    factor = _factor("fill", given).draw(random)
    if model.type == "mbo_queue":  # as probabilistic is with a probability of 1
        probability = 1.0
    elif model.type == "probabilistic":
        probability = float(chosen_models(around.execution).fill.parameters[_PROBABILITY])
    else:
        raise _NoUseError(
            "perturb.fill: expected a fill model of type mbo_queue or probabilistic, found "
            f"{model.type}"
        )
    return {
        around.key("fill_model", "type"): "probabilistic",
        around.key("fill_model", _PROBABILITY): round(min(1.0, probability * factor), 6),
    }


_PROBABILITY: Final = "fill_probability_at_touch"


def _fees(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
    model = around.execution.fees
    factor = _factor("fees", given).draw(random)
    found = {
        around.key("fees", name): round(float(value) * factor, 6)
        for name, value in model.given.items()
        if name in _FEES and value
    }
    if not found:
        raise _NoUseError(
            "perturb.fees: expected fees per_contract or per_notional other than 0, found "
            f"{'none' if model.type != 'schedule' else 'a schedule'}"
        )
    return found


def _other(name: str) -> _Maker:
    def drawn(around: _Perturbed, given: Any, random: np.random.Generator) -> dict[str, Any]:
        if isinstance(given, (Range, list)):
            around.configured(name)  # it has to be the name of something
            return {name: value_at(given, float(random.random()))}
        factor, value = _factor(name, given).draw(random), around.configured(name)
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise ConfigError(
                f"perturb.{name}: expected a number in the configuration to multiply, found "
                f"{'none' if value is None else repr(value)}"
            )
        if isinstance(value, int):
            scaled = round(value * factor)
            return {name: scaled or (value > 0) - (value < 0)}  # 0 would be another thing
        return {name: float(f"{float(value) * factor:.6g}")}

    return drawn


_SPECIAL: Final[Mapping[str, _Maker]] = {
    "seed": _seed, "latency": _latency, "jitter": _jitter, "fill": _fill, "fees": _fees,
}  # fmt: skip
