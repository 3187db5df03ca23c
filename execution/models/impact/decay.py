"""How what a fill has pushed the price by fades: a lasting part, one gone at once, one that decays.

Of a push of 1, ``permanent`` stays for good and ``temporary`` concerns the fill alone; the rest
decays, by t after the fill to

- ``exponential``: 2^(-t / half_life), the resilience of Obizhaeva and Wang, Optimal trading
  strategy and supply/demand dynamics, Journal of Financial Markets 16 (2013);
- ``power_law``: (1 + t / after)^(-exponent), the propagator of Bouchaud, Gefen, Potters and Wyart,
  Fluctuations and response in financial markets, Quantitative Finance 4 (2004);
- ``none``: nothing, at once.

A power law is a sum of exponentials (Bochud and Challet, Optimal approximations of power laws with
exponentials, Quantitative Finance 7 (2007)), by the trapezoidal rule on (1 + x)^-b = 1 / Gamma(b)
integral of exp(b y - e^y (1 + x)) dy, within 0.2 % of it up to 10,000 times ``after``: so a party
needs `PARTS` words, however much it has traded.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.parameters import ParameterFault, ParameterSpec, check_section

FloatArray = npt.NDArray[np.float64]

#: Exponentials that a party remembers.
PARTS: Final = 24
#: Shares and what is left of them are fractions of 2^24.
SHARE_BITS: Final = 24
ONE: Final = 1 << SHARE_BITS
#: Steps of a halving that the table has.
STEP_BITS: Final = 8
#: Longest half-life of a part, so that its kernel stays within 63 bits.
HALF_LIFE_NS_MAX: Final = 1 << 60
#: Of a power law, the first of y, and how far apart they are.
_FIRST_Y: Final = math.log(12)
_STEP_Y: Final = 1.0

DECAY: Final = np.dtype(
    [
        ("n", "i8"),  # exponentials
        ("half_life_ns", "i8", (PARTS,)),
        ("share", "i8", (PARTS,)),  # of a push, out of ONE
        ("lasting", "i8"),  # of a push, out of ONE
        ("halving", "i8", ((1 << STEP_BITS) + 1,)),  # ONE 2^(-k / 256)
    ]
)

_MS_MAX: Final = 86_400_000
_SHARES: Final = {
    "permanent": ParameterSpec(Decimal, "", Decimal(0), 0, 1, 6),
    "temporary": ParameterSpec(Decimal, "", Decimal(0), 0, 1, 6),
}
_SMALLEST_MS: Final = Decimal("0.001")
#: Keys of a section ``decay``, by its type.
TYPES: Final[Mapping[str, Mapping[str, ParameterSpec]]] = {
    "none": _SHARES,
    "exponential": {
        "half_life_ms": ParameterSpec(Decimal, "", None, _SMALLEST_MS, _MS_MAX, 6),
        **_SHARES,
    },
    "power_law": {
        "exponent": ParameterSpec(Decimal, "", None, Decimal("0.1"), 1, 6),
        "after_ms": ParameterSpec(Decimal, "", Decimal(1), _SMALLEST_MS, 60_000, 6),
        **_SHARES,
    },
}

#: What an impact model declares that knows of decay.
DECAY_PARAMETER: Final = ParameterSpec(
    dict, "what becomes of a push: type, its numbers, permanent, temporary", optional=True
)


def check_decay(parameters: Mapping[str, Any]) -> None:
    """Raise `ParameterFault` if the section ``decay``, where there is one, is none."""
    section = parameters["decay"]
    if section is None:
        return
    check_section("decay", section, TYPES)
    values = _values(section)
    whole = values["permanent"] + values["temporary"]
    if whole > 1:
        raise ParameterFault(
            ("decay",), f"expected permanent and temporary of at most 1 together, found {whole}"
        )


def decay_of(parameters: Mapping[str, Any]) -> npt.NDArray[Any] | None:
    """The record of a checked section ``decay``, shape (1,) of `DECAY`; None without one."""
    return None if parameters["decay"] is None else decay_record(parameters["decay"])


def decay_record(section: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The record of a section ``decay``, shape (1,) of `DECAY`."""
    values = _values(section)
    record = np.zeros(1, DECAY)
    decay = record[0]
    steps = np.arange((1 << STEP_BITS) + 1) / (1 << STEP_BITS)
    decay["halving"] = np.rint(ONE * np.exp2(-steps)).astype(np.int64)
    decay["lasting"] = int(values["permanent"] * ONE)
    fading = ONE - int(values["temporary"] * ONE) - int(decay["lasting"])
    half_lives_ns, weights = _exponentials(section["type"], values)
    decay["n"] = half_lives_ns.size
    decay["half_life_ns"][: decay["n"]] = np.clip(np.rint(half_lives_ns), 1, HALF_LIFE_NS_MAX)
    shares = np.rint(fading * weights).astype(np.int64)
    if shares.size:  # they make up the whole of what fades
        shares[0] += fading - shares.sum()
    decay["share"][: decay["n"]] = shares
    return record


def _values(section: Mapping[str, Any]) -> dict[str, Decimal]:
    return {
        name: Decimal(str(section.get(name, spec.default)))
        for name, spec in TYPES[section["type"]].items()
    }


def _exponentials(kind: str, values: Mapping[str, Decimal]) -> tuple[FloatArray, FloatArray]:
    """Half-lives in ns and weights, which add up to 1, of what decays."""
    if kind == "none":
        return np.zeros(0), np.zeros(0)
    if kind == "exponential":
        return np.array([float(values["half_life_ms"]) * 1e6]), np.ones(1)
    exponent, after_ns = float(values["exponent"]), float(values["after_ms"]) * 1e6
    y = _FIRST_Y - _STEP_Y * np.arange(PARTS)
    weights = _STEP_Y / math.gamma(exponent) * np.exp(exponent * y - np.exp(y))
    # What is slower than the slowest of them, as far as its step goes, is counted as that.
    weights[-1] += math.exp(exponent * (y[-1] - _STEP_Y / 2)) / math.gamma(exponent + 1)
    return math.log(2) * after_ns * np.exp(-y), weights / weights.sum()
