"""Breaks bytes, text and trees of values, each in ways that readers trip over; seeded."""

import copy
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

#: Numbers at the edges of the types that formats use, and just past them.
EDGES = sorted(
    {n + d for k in (0, 7, 8, 15, 16, 31, 32, 63, 64) for n in (2**k, -(2**k)) for d in (-1, 0, 1)}
)
#: What a text field may hold that nobody expected.
ODD_TEXTS = (
    "", " ", "nan", "inf", "-inf", "1e999", "1e-999", "1e999999", "1e99999999", "1e-99999999",
    "0x10", "1_000", "9" * 40, "-0", "null", "true", "~", "'", '"', '"""', ",", ",,,", "\t", "\\",
    "\0", "\x1b[2J", "\u202e", "\ufeff",
    "é", "\U0001f600", "[" * 40, "{" * 40, "- " * 40, "&a [*a]", "*a", "!!python/object:os.system",
    "2024-02-30", "9999-12-31T23:59:60Z", "..", "../../x", "/dev/zero", "x" * 5_000,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, -(10**30), 2**63, 1e308, 5e-324, float("nan"),
    float("inf"), "", [], {}, [[]], {"": None}, *ODD_TEXTS[:23],
)  # fmt: skip

#: Of a tree, where it may be broken.
_PLACES_MAX = 20_000


class Field(NamedTuple):
    """A whole number in bytes: where, how long, in which order."""

    offset: int
    size: int
    order: str = "little"


class Mutator:
    """Breaks things as one seed says.

    Parameters
    ----------
    draw
        Drawn from for every choice: the same seed breaks the same thing in the same way.
    """

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def chance(self, one_in: int) -> bool:
        return not self.draw.randrange(one_in)

    def number(self) -> int:
        return self.draw.choice([*EDGES, self.draw.randrange(300), self.draw.getrandbits(64)])

    # --- bytes --------------------------------------------------------------------------------

    def data(self, data: bytes, fields: Sequence[Field] = (), most: int = 4) -> bytes:
        """Break bytes in one to so many ways; fields are numbers that something hangs on."""
        out = bytearray(data)
        for _ in range(self.draw.randint(1, most)):
            ways: list[Callable[[bytearray], None]] = [
                self._flip, self._flip, self._set, self._cut, self._drop, self._repeat,
                self._insert,
            ]  # fmt: skip
            if fields:
                ways += [lambda out: self._field(out, fields)] * len(ways)
            if out:
                self.draw.choice(ways)(out)
        return bytes(out)

    def same_length(self, data: bytes, fields: Sequence[Field]) -> bytes:
        """Break numbers and bits of bytes, no fewer and no more of them."""
        out = bytearray(data)
        for _ in range(self.draw.randint(1, 4)):
            self.draw.choice([self._flip, self._set, *[lambda o: self._field(o, fields)] * 3])(out)
        return bytes(out)

    def cut(self, data: bytes) -> bytes:
        """The first so many bytes, not all."""
        return data[: self.draw.randrange(len(data))]

    def _at(self, out: bytearray) -> int:
        return self.draw.randrange(len(out))

    def _flip(self, out: bytearray) -> None:
        out[self._at(out)] ^= 1 << self.draw.randrange(8)

    def _set(self, out: bytearray) -> None:
        out[self._at(out)] = self.draw.choice([0, 1, 0x7F, 0x80, 0xFF, self.draw.randrange(256)])

    def _cut(self, out: bytearray) -> None:
        del out[self._at(out) :]

    def _drop(self, out: bytearray) -> None:
        at = self._at(out)
        del out[at : at + self.draw.choice([1, 2, 4, 8, 56, self.draw.randrange(1, 200)])]

    def _repeat(self, out: bytearray) -> None:
        at = self._at(out)
        part = out[at : at + self.draw.choice([1, 4, 8, 56, self.draw.randrange(1, 200)])]
        out[at:at] = part * self.draw.choice([1, 1, 2, 50])

    def _insert(self, out: bytearray) -> None:
        at = self._at(out)
        out[at:at] = self.draw.randbytes(self.draw.choice([1, 2, 4, 8, 56]))

    def _field(self, out: bytearray, fields: Sequence[Field]) -> None:
        field = self.draw.choice(fields)
        end = field.offset + field.size
        if end <= len(out):
            value = self.number() % (1 << 8 * field.size)
            out[field.offset : end] = value.to_bytes(field.size, field.order)  # type: ignore[arg-type]

    # --- text ---------------------------------------------------------------------------------

    def text(self, text: str, separator: str = ",", most: int = 3) -> bytes:
        """Break lines of text, cells of them, or their encoding."""
        lines = text.split("\n")
        for _ in range(self.draw.randint(1, most)):
            at = self.draw.randrange(len(lines))
            way = self.draw.randrange(8)
            if way < 3:
                cells = lines[at].split(separator)
                cells[self.draw.randrange(len(cells))] = self._cell()
                lines[at] = separator.join(cells)
            elif way == 3:
                lines.insert(at, lines[self.draw.randrange(len(lines))])
            elif way == 4 and len(lines) > 1:
                del lines[at]
            elif way == 5:
                lines[at] = " " * self.draw.randrange(9) + lines[at].lstrip()
            elif way == 6:
                lines[at] = lines[at][: self.draw.randrange(len(lines[at]) + 1)]
            else:
                other = self.draw.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
        return self.data(data, most=2) if data and self.chance(4) else data

    def _cell(self) -> str:
        return self.draw.choice([*ODD_TEXTS, str(self.number()), f"{self.number()}.5"])

    # --- values -------------------------------------------------------------------------------

    def tree(self, value: Any, most: int = 3) -> Any:
        """Break a tree of dicts and lists: another value, one less, one more, another key."""
        value = copy.deepcopy(value)
        for _ in range(self.draw.randint(1, most)):
            # A tree that was made 300 times as large twice is broken at its begin.
            places = list(itertools.islice(_places(value), _PLACES_MAX))
            if not places:
                return self.draw.choice(ODD_VALUES)
            parent, key = self.draw.choice(places)
            way = self.draw.randrange(6)
            if way < 3:
                parent[key] = copy.deepcopy(self.draw.choice([*ODD_VALUES, self.number()]))
            elif way == 3:
                del parent[key]
            elif way == 4:
                other, name = self.draw.choice(places)
                if name in other if isinstance(other, dict) else name < len(other):
                    parent[key] = copy.deepcopy(other[name])
            elif isinstance(parent, dict):
                parent[self.draw.choice([str(key) + "x", *ODD_TEXTS[:20]])] = parent.pop(key)
            else:
                parent.extend([copy.deepcopy(parent[key])] * self.draw.choice([1, 2, 300]))
        return value


def _places(value: Any) -> Any:
    """Every (container, key) of a tree."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        yield value, key
        if isinstance(part, (dict, list)):
            yield from _places(part)
