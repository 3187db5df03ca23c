"""What a rival's child says it did, and whether it can be believed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.errors import ConfigError

#: Nothing reads a 56-byte record faster: a rival beyond it did not do the work.
RECORDS_PER_S_MAX: Final = 500e6
_KEYS: Final = {"name", "version", "events", "runs", "convert_s", "what", "check"}


@dataclass(frozen=True)
class Claim:
    """What a child must say to be believed.

    Attributes
    ----------
    name, version : str
    events, runs : int
    exact : mapping of str to int
        Values its ``check`` must hold, known from our own pass over the same records.
    least : mapping of str to int
        Values its ``check`` must reach.
    """

    name: str
    version: str
    events: int
    runs: int
    exact: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A rival's measured runs.

    Attributes
    ----------
    name, version, what : str
    events : int
    seconds : list of float
        Wall time of each counted run.
    convert_s : float
        Reading the file and converting it into what the rival takes; 0 where a run does that.
    check : dict of str to int
    """

    name: str
    version: str
    what: str
    events: int
    seconds: list[float]
    convert_s: float
    check: dict[str, int]


def parse_result(text: str, claim: Claim) -> Result:
    """Read the child's line and hold it against what it must be.

    Raises
    ------
    ConfigError
        If it is no such line, or the rival did not do the work.
    """
    who = f"{claim.name} {claim.version}"
    lines = text.strip().splitlines()
    try:
        said: Any = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        said = None
    if len(lines) != 1 or not isinstance(said, dict) or set(said) != _KEYS:
        raise ConfigError(f"{who}: expected one line of JSON, found {text[-400:]!r}")
    for key in ("name", "version", "events"):
        _expect(who, key, said[key], getattr(claim, key))
    seconds, convert_s = said["runs"], said["convert_s"]
    if not isinstance(seconds, list) or len(seconds) != claim.runs:
        raise ConfigError(f"{who}: expected {claim.runs} runs, found {seconds!r}")
    least_s = claim.events / RECORDS_PER_S_MAX
    for value in seconds:
        if not _is_number(value) or value < least_s:
            raise ConfigError(
                f"{who}: expected a run of {claim.events:,} records to take {least_s:.4f} s at "
                f"least, found {value!r}: it did not read them all"
            )
    if not _is_number(convert_s) or convert_s < 0:
        raise ConfigError(f"{who}: expected convert_s of 0 or more, found {convert_s!r}")
    check = said["check"]
    if not isinstance(check, dict) or not all(type(value) is int for value in check.values()):
        raise ConfigError(f"{who}: expected check to hold whole numbers, found {check!r}")
    for key, exact in claim.exact.items():
        _expect(who, f"check.{key}", check.get(key), exact)
    for key, least in claim.least.items():
        if check.get(key, least - 1) < least:
            raise ConfigError(
                f"{who}: check.{key}: expected {least:,} or more, found {check.get(key)}; "
                f"all it says: {check}"
            )
    return Result(
        claim.name, claim.version, str(said["what"]), claim.events, seconds, convert_s, check
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _expect(who: str, key: str, found: object, expected: object) -> None:
    if type(found) is not type(expected) or found != expected:
        raise ConfigError(f"{who}: {key}: expected {expected!r}, found {found!r}")
