"""Columns at once are what their values are one by one."""

import json
import math
from itertools import product
from typing import Any

import pytest

from tapewire.errors import StoreError
from tapewire.store import bulk
from tapewire.store.columns import are_counts, are_floats, are_texts, json_of
from tapewire.store.copying import _write, copy_block


class Text(str):
    """A text, but not a plain one."""

    __slots__ = ()


TEXTS = ["", "plain", "ünï ☃ 𝄞", "a\tb\nc\\", "a\0b", "\ud83d", "\ude00", Text("x"), None, 1]
FLOATS = [0.0, -0.0, 1e308, 5e-324, math.inf, -math.inf, math.nan, None, 1, True]
COUNTS = [0, 1, 2**31 - 1, 2**31, -1, None, True, 1.0]
FIGURES: list[Any] = [
    {}, {"a": 0.1, "b": -0.0}, {"a": "line\nend", "b": True, "c": 2**62}, {"a": math.nan},
    {"a": math.inf}, {"null": 1.0}, {"a": None}, {"a": [1]}, {1: 2.0}, {"a": "\0"}, {"a": "\ud800"},
    {"a": 2**70}, {"é": "𝄞"}, [1.0],
]  # fmt: skip


def refused(value: Any, look: Any) -> bool:
    try:
        return repr(look(value)) != repr(value)
    except StoreError:
        return True


@pytest.mark.parametrize(
    ("values", "are_plain", "look"),
    [
        (TEXTS, are_texts, lambda value: bulk.text_of(value, "x")),
        (FLOATS, are_floats, bulk.float_of),
        (COUNTS, are_counts, lambda value: bulk.count_of(value, "x")),
    ],
)
def test_what_is_plain_is_kept_as_it_is(values: list[Any], are_plain: Any, look: Any) -> None:
    """Pairs of all values: a column with one that has to be changed or refused is never plain."""
    plain = 0
    for pair in product(values, repeat=2):
        if are_plain(pair):
            plain += 1
            assert not any(refused(value, look) for value in pair), pair
    assert plain >= 4
    assert are_plain(())


def test_figures_of_many_are_what_they_are_one_by_one() -> None:
    plain = 0
    for pair in product(FIGURES, repeat=2):
        written = json_of(pair)
        if written is not None:
            plain += 1
            slowly = [bulk.strict_json(one, "x") for one in pair]
            assert [*map(json.loads, written)] == [*map(json.loads, slowly)]
            assert [repr(json.loads(one)) for one in written] == [repr(one) for one in pair]
    # Empty, numbers, a large one, texts, and the name beyond ASCII: each with each.
    assert plain == 25


def test_a_column_is_written_as_its_values_are() -> None:
    columns: list[list[Any]] = [
        [0.0, -0.0, 0.0], [0.0, 0.0, 0.0], [0.1, None, 1e22], [None, None, 2.5],
        [math.inf, 1.0, 2.0],
        [math.nan, 1.0, None], [7, 7, 7], [1, 2, 3], [True, 1, 0], [True, True, True], [None] * 3,
        ["a\nb", "a\nb", "a\nb"], ["a\tb", "", "\\N"], ["x\n", "y", "z"], [Text("a"), "b", "c\r"],
        ["null", "null", None], [2**62, -(2**62), 0],
    ]  # fmt: skip
    lines = copy_block(columns).decode().split("\n")
    assert lines.pop() == ""
    for row, line in zip(zip(*columns, strict=True), lines, strict=True):
        for value, written in zip(row, line.split("\t"), strict=True):
            slowly = _write[type(value)](value)
            if isinstance(value, float) and math.isfinite(value):
                assert float(written) == float(slowly)
                assert math.copysign(1.0, float(written)) == math.copysign(1.0, value)
            else:
                assert written == slowly
    with pytest.raises(TypeError, match="found bytes"):
        copy_block([[b"x", "y"]])
