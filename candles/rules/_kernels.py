"""Comparisons of series, packed to bits; bits of longer bars spread over shorter ones; bits joined.

Bit b of word w is bar 64 w + b. Words are int64: only single bits of them are looked at.
"""

from typing import Any, Final

from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    GREATER,
    GREATER_OR_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    TOLERANCE,
)
from tapewire.compiled.jit import jit_entry, jit_inline

#: Joins of `join`, beside places of bits.
ALL_OF: Final = -1
ANY_OF: Final = -2


@jit_inline
def _levels(code: int, left: Any, right: Any, word: int) -> int:
    """Return the bits of a word where a series is so to what it is compared with, at each bar.

    A value that is not known compares with nothing: NaN makes each of these false.
    """
    first = word * 64
    last = min(first + 64, len(left))
    bits = 0
    # A loop per comparison, so that none of them looks at the code per bar.
    if code == GREATER:
        for i in range(first, last):
            bits |= (left[i] - right[i] > TOLERANCE * max(1.0, abs(right[i]))) << (i - first)
    elif code == GREATER_OR_EQUAL:
        for i in range(first, last):
            bits |= (left[i] - right[i] >= -TOLERANCE * max(1.0, abs(right[i]))) << (i - first)
    elif code == LESS:
        for i in range(first, last):
            bits |= (left[i] - right[i] < -TOLERANCE * max(1.0, abs(right[i]))) << (i - first)
    else:
        for i in range(first, last):
            bits |= (left[i] - right[i] <= TOLERANCE * max(1.0, abs(right[i]))) << (i - first)
    return bits


@jit_entry
def compare(code: int, left: Any, right: Any, words: Any) -> None:
    """Write where a series compares so with another: of its length, or one number throughout.

    A crossing is one from not above to above, or from not below to below; that nothing crosses is
    told where both are known, at a bar and at the one before.
    """
    if code < CROSSES_ABOVE:
        for w in range(len(words)):
            words[w] = _levels(code, left, right, w)
        return
    is_above = code == CROSSES_ABOVE or code == NOT_CROSSES_ABOVE
    after = GREATER if is_above else LESS
    before = LESS_OR_EQUAL if is_above else GREATER_OR_EQUAL
    is_negated = code == NOT_CROSSES_ABOVE or code == NOT_CROSSES_BELOW
    carried = 0
    carried_on = 0
    for w in range(len(words)):
        beyond = _levels(after, left, right, w)
        within = _levels(before, left, right, w)
        # Of the bar before each: the last one of a word goes on in the next.
        was_within = within << 1 | carried
        was_beyond = beyond << 1 | carried_on
        carried = (within >> 63) & 1
        carried_on = (beyond >> 63) & 1
        if is_negated:
            words[w] = beyond & was_beyond | within & (was_within | was_beyond)
        else:
            words[w] = beyond & was_within


@jit_entry
def spread(seen: Any, starts: Any, crosses: int, n: int, words: Any) -> None:
    """Write bits of seen bars over the n bars that see them.

    Bar k is seen from `starts[k]` up to the next start. A crossing is one of the first of them.
    """
    for w in range(len(words)):
        words[w] = 0
    for k in range(len(starts)):
        if (seen[k >> 6] >> (k & 63)) & 1 == 0:
            continue
        first = starts[k]
        last = first + 1
        if not crosses:
            last = starts[k + 1] if k + 1 < len(starts) else n
        _fill(words, first, last)


@jit_inline
def _fill(words: Any, first: int, last: int) -> None:
    """Set bits `first` up to `last`; there is at least one."""
    w, last_w = first >> 6, (last - 1) >> 6
    head = -1 << (first & 63)
    rest = ((last - 1) & 63) + 1
    tail = -1 if rest == 64 else (1 << rest) - 1
    if w == last_w:
        words[w] |= head & tail
        return
    words[w] |= head
    for k in range(w + 1, last_w):
        words[k] = -1
    words[last_w] |= tail


@jit_entry
def join(program: Any, bits: Any, stack: Any, out: Any) -> None:
    """Join rows of bits as a program in postfix says.

    A place p ≥ 0 pushes row p; `ALL_OF` and `ANY_OF` join the two on top. `stack` has a row per
    place at the most; an empty program leaves zeros.
    """
    top = 0
    words = len(out)
    for code in program:
        if code >= 0:
            for w in range(words):
                stack[top, w] = bits[code, w]
            top += 1
        else:
            top -= 1
            for w in range(words):
                if code == ALL_OF:
                    stack[top - 1, w] &= stack[top, w]
                else:
                    stack[top - 1, w] |= stack[top, w]
    for w in range(words):
        out[w] = stack[0, w] if top else 0
