"""Strategies derived from a grammar in Backus-Naur form, whose text is the JSON of strategies.

A grammar says what a strategy may look like; what is derived is checked as any strategy is, and
derived again where it is none, or breaks a bound. The one that comes along is ``strategy.bnf``.
"""

import importlib.resources
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire.candles.rules import DeclaredStrategy
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError, MissingFileError
from tapewire.generator.constraints import StrategyConstraints
from tapewire.generator.drawing import TIMEFRAMES, Draws, checked_frames
from tapewire.generator.making import MadeStrategy, made_of

#: What a derivation begins with.
START: Final = "strategy"
#: Names within names from here on are those that end soonest.
DEPTH_MAX: Final = 24
#: Names that one derivation replaces.
STEPS_MAX: Final = 5_000
#: Derivations for one strategy before it is said that there are no more.
ATTEMPTS_MAX: Final = 10_000
#: Bytes of a grammar.
BYTES_MAX: Final = 1 << 20
#: Numbers that a range may have.
_NUMBERS_MAX: Final = 1_000_000
_RULE: Final = re.compile(r"\s*<([A-Za-z][\w-]*)>\s*::=(.*)")
_PARTS: Final = re.compile(r"<([^<>\n]*)>")
_NUMBER: Final = r"-?\d{1,12}(?:\.\d{1,12})?"
_RANGE: Final = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+step\s+({_NUMBER}))?\s*")


@dataclass(frozen=True)
class _Range:
    """Numbers from one on, in equal steps; whole ones where all of them are."""

    low: float
    step: float
    count: int
    digits: int

    def drawn(self, draws: Draws) -> str:
        value = round(self.low + self.step * draws.whole(0, self.count - 1), self.digits)
        return str(int(value)) if not self.digits else repr(value)


@dataclass(frozen=True)
class _Name:
    name: str


#: Text as it stands, a name that is replaced, a number that is drawn.
_Part = str | _Name | _Range
_Alternative = tuple[_Part, ...]


class StrategyGrammar:
    """A grammar of strategies.

    Lines that begin with ``#`` are left out. ``<name> ::= one | other`` goes on over any lines, up
    to the next of its kind; text between names is JSON. ``<timeframe>`` and ``<primary>``, unless
    they are defined, are timeframes as JSON has them; ``<2..200>`` and ``<0.5..10 step 0.5>`` are
    numbers. ``<strategy>`` derives a mapping of ``entry_rules`` and ``exit_rules``; ``timeframes``
    are all there are, unless it has them.

    Parameters
    ----------
    text
        The grammar.
    source
        What it is called in messages.

    Raises
    ------
    ConfigError
        If it is none, with its line: a name without a definition or with two, one that never ends.
    """

    def __init__(self, text: str, *, source: str = "grammar") -> None:
        self.source = source
        self._rules, self._lines = _parsed(text, source)
        if START not in self._rules:
            raise ConfigError(f"{source}: expected a line <{START}> ::= …, found none")
        self._require_defined()
        self._depths: Mapping[str, float] = {}
        self._depths = self._least_depths()

    @classmethod
    def shipped(cls) -> "StrategyGrammar":
        """Return the grammar that comes along."""
        file = importlib.resources.files("tapewire.generator") / "strategy.bnf"
        return cls(file.read_text("utf-8"), source="strategy.bnf")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "StrategyGrammar":
        """Read a grammar from a file.

        Raises
        ------
        MissingFileError
            If it can't be read.
        ConfigError
            If it is none.
        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None
        if len(data) > BYTES_MAX:
            raise ConfigError(f"{path}: expected a grammar of at most {BYTES_MAX >> 20} MB")
        try:
            return cls(data.decode("utf-8-sig"), source=str(path))
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: expected UTF-8, found none at byte {error.start}") from None

    def derive(self, draws: Draws, timeframes: Sequence[str]) -> str | None:
        """Derive one text; None: it would be too long.

        Parameters
        ----------
        draws
            Of this one alone.
        timeframes
            The primary one first.
        """
        pieces: list[str] = []
        steps = 0
        todo: list[tuple[_Part, int]] = [(_Name(START), 0)]
        while todo:
            part, depth = todo.pop()
            if isinstance(part, str):
                pieces.append(part)
            elif isinstance(part, _Range):
                pieces.append(part.drawn(draws))
            elif part.name in self._rules:
                steps += 1
                if steps > STEPS_MAX:
                    return None
                chosen = draws.one(self._choices(part.name, depth))
                todo += [(inner, depth + 1) for inner in reversed(chosen)]
            else:
                frames = timeframes if part.name == "timeframe" else timeframes[:1]
                pieces.append(json.dumps(draws.one(frames)))
        return "".join(pieces)

    def _choices(self, name: str, depth: int) -> Sequence[_Alternative]:
        """Alternatives of a name: all of them, or, far down, those that end soonest."""
        every = self._rules[name]
        if depth < DEPTH_MAX:
            return every
        least = min(self._depth(one) for one in every)
        return [one for one in every if self._depth(one) == least]

    def _depth(self, alternative: _Alternative) -> float:
        names = [part.name for part in alternative if isinstance(part, _Name)]
        return max((self._depths.get(name, 0.0) for name in names), default=0.0)

    def _least_depths(self) -> Mapping[str, float]:
        """Return how many names deep each one is at the least, refusing those that never end."""
        self._depths = dict.fromkeys(self._rules, float("inf"))
        while True:
            found = {
                name: 1.0 + min(self._depth(one) for one in every)
                for name, every in self._rules.items()
            }
            if found == self._depths:
                break
            self._depths = found
        for name, depth in found.items():
            if depth == float("inf"):
                raise ConfigError(
                    f"{self.source}:{self._lines[name]}: <{name}> never ends: expected an "
                    f"alternative that does not lead back to <{name}>, found none"
                )
        return found

    def _require_defined(self) -> None:
        known = {*self._rules, "timeframe", "primary"}
        for name, every in self._rules.items():
            for part in (part for one in every for part in one):
                if isinstance(part, _Name) and part.name not in known:
                    raise ConfigError(
                        f"{self.source}:{self._lines[name]}: <{name}> has <{part.name}>, which is "
                        f"not defined: expected a line <{part.name}> ::= …"
                    )


def _parsed(text: str, source: str) -> tuple[dict[str, list[_Alternative]], dict[str, int]]:
    """Return the alternatives of each name, and the line each is defined in."""
    bodies: dict[str, str] = {}
    lines: dict[str, int] = {}
    name = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _RULE.fullmatch(line)
        if found is None:
            if not name or "::=" in line:
                raise ConfigError(
                    f"{source}:{number}: expected <name> ::= …, found {line.strip()[:60]!r}"
                )
            bodies[name] += f"\n{line}"
            continue
        name = found[1]
        if name in bodies:
            raise ConfigError(
                f"{source}:{number}: expected each name once, found <{name}> again, which line "
                f"{lines[name]} defines"
            )
        bodies[name], lines[name] = found[2], number
    rules = {
        name: [_alternative(one, f"{source}:{lines[name]}: <{name}>") for one in body.split("|")]
        for name, body in bodies.items()
    }
    return rules, lines


def _alternative(text: str, where: str) -> _Alternative:
    parts: list[_Part] = []
    # Names stand at odd places.
    for place, piece in enumerate(_PARTS.split(text.strip())):
        if place % 2:
            parts.append(_named(piece, where))
        elif "<" in piece or ">" in piece:
            raise ConfigError(f"{where}: expected names as <name>, found {piece.strip()[:60]!r}")
        elif piece:
            parts.append(piece)
    return tuple(parts)


def _named(text: str, where: str) -> _Name | _Range:
    if re.fullmatch(r"[A-Za-z][\w-]*", text):
        return _Name(text)
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{where}: expected a name as <entry>, or numbers as <2..200> or <0.5..10 step 0.5>, "
            f"found <{text}>"
        )
    given = [one for one in found.groups() if one is not None]
    digits = max(len(one.partition(".")[2]) for one in given)
    low, high = float(given[0]), float(given[1])
    step = float(given[2]) if len(given) > 2 else 10.0**-digits
    # Numbers that people write as 0.1 are a little off: a whole number of steps may be, too.
    count = int((high - low) / step + 1e-6) + 1 if step > 0 and high >= low else 0
    if not 1 <= count <= _NUMBERS_MAX:
        raise ConfigError(
            f"{where}: expected from 1 to {_NUMBERS_MAX:,} numbers from low to high, found <{text}>"
        )
    return _Range(low, step, count, digits)


def derive_strategies(
    count: int,
    *,
    grammar: StrategyGrammar | str | None = None,
    seed: int = 0,
    constraints: StrategyConstraints | None = None,
    timeframes: Sequence[str] = TIMEFRAMES,
) -> Iterator[DeclaredStrategy]:
    """Derive strategies, no two of which are one.

    Parameters
    ----------
    count
        How many.
    grammar
        A grammar, or its text; None: the one that comes along.
    seed
        The same one gives the same strategies; more of them begin with fewer of them.
    constraints
        What each keeps to.
    timeframes
        The primary one first.

    Yields
    ------
    DeclaredStrategy
        Named ``grammar-SEED-NUMBER``, its rules in canonical form.

    Raises
    ------
    ConfigError
        If the grammar derives nothing more that is valid, new and within the constraints, with what
        was wrong with the last; or a timeframe is none.
    """
    given = StrategyGrammar.shipped() if grammar is None else grammar
    chosen = StrategyGrammar(given) if isinstance(given, str) else given
    bounds, frames = constraints or StrategyConstraints(), checked_frames(timeframes)
    seen: set[str] = set()
    attempt = 0
    for number in range(count):
        wrong = ""
        for _ in range(ATTEMPTS_MAX):
            text = chosen.derive(Draws(key_of(seed, "grammar", attempt)), frames)
            attempt += 1
            made, wrong = _made(f"grammar-{seed}-{number:06}", text, bounds, frames, seen)
            if made is not None:
                break
        else:
            raise ConfigError(
                f"{chosen.source}: expected {count:,} different strategies within the constraints, "
                f"found {number:,} and none in {ATTEMPTS_MAX:,} more derivations; of the last: "
                f"{wrong}"
            )
        seen.add(made.hash)
        yield made.strategy


def _made(
    name: str, text: str | None, bounds: StrategyConstraints, frames: Sequence[str], seen: set[str]
) -> tuple[MadeStrategy | None, str]:
    """Return the strategy that a text is, or what is wrong with it."""
    if text is None:
        return None, f"it replaces more than {STEPS_MAX:,} names"
    try:
        rules = json.loads(text, object_pairs_hook=_once)
        if not isinstance(rules, dict):
            return None, f"expected a mapping, found {text[:60]}"
        named = {"timeframes": {"primary": frames[0], "secondary": list(frames[1:])}, **rules}
        made = made_of(name, named)
    except (ValueError, RecursionError) as error:
        return None, f"expected JSON, found none: {error}"
    except ConfigError as error:
        return None, str(error)
    if made.hash in seen:
        return None, "it is one that is there already"
    fault = made.fault(bounds)
    return (None, fault) if fault else (made, "")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected each key once, found {twice!r} twice in one mapping")
    return found
