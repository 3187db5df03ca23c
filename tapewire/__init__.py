"""Tapewire replays Databento MBO files through trading strategies.

>>> import tapewire as tw
>>> result = tw.run("config.yaml", output="out")     # doctest: +SKIP
>>> result.digest, result.manifest["counts"], result.fills     # doctest: +SKIP

Names are imported when they are first used, so that ``import tapewire`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapewire.analytics.frames import as_decimals, as_floats
    from tapewire.compiled.user_kernels import jit
    from tapewire.config.loading import load_config, make_config
    from tapewire.config.schema import RunConfig
    from tapewire.errors import TapewireError
    from tapewire.inputs.features import features_table
    from tapewire.inputs.placebo import validate_placebo
    from tapewire.runs.api import run
    from tapewire.runs.result import RunResult
    from tapewire.runs.stepping import Simulation
    from tapewire.strategies.definition import StrategyDefinition
    from tapewire.strategies.plain import (
        BUY,
        SELL,
        Context,
        Strategy,
        parameter,
        to_decimal,
        to_price,
    )
    from tapewire.strategies.wants import Wants
    from tapewire.studies import MonteCarlo, Study, montecarlo, optimize, sweep

__all__ = [
    "BUY",
    "SELL",
    "Context",
    "MonteCarlo",
    "RunConfig",
    "RunResult",
    "Simulation",
    "Strategy",
    "StrategyDefinition",
    "Study",
    "TapewireError",
    "Wants",
    "as_decimals",
    "as_floats",
    "features_table",
    "jit",
    "load_config",
    "make_config",
    "montecarlo",
    "optimize",
    "parameter",
    "run",
    "sweep",
    "to_decimal",
    "to_price",
    "validate_placebo",
]

_PLAIN = "tapewire.strategies.plain"
_HOMES = {
    "BUY": _PLAIN,
    "SELL": _PLAIN,
    "Context": _PLAIN,
    "Strategy": _PLAIN,
    "StrategyDefinition": "tapewire.strategies.definition",
    "Wants": "tapewire.strategies.wants",
    "parameter": _PLAIN,
    "to_decimal": _PLAIN,
    "to_price": _PLAIN,
    "MonteCarlo": "tapewire.studies",
    "RunConfig": "tapewire.config.schema",
    "RunResult": "tapewire.runs.result",
    "Simulation": "tapewire.runs.stepping",
    "Study": "tapewire.studies",
    "TapewireError": "tapewire.errors",
    "as_decimals": "tapewire.analytics.frames",
    "as_floats": "tapewire.analytics.frames",
    "jit": "tapewire.compiled.user_kernels",
    "features_table": "tapewire.inputs.features",
    "load_config": "tapewire.config.loading",
    "make_config": "tapewire.config.loading",
    "montecarlo": "tapewire.studies",
    "optimize": "tapewire.studies",
    "run": "tapewire.runs.api",
    "sweep": "tapewire.studies",
    "validate_placebo": "tapewire.inputs.placebo",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tapewire")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tapewire' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
