"""The kernel that reads rows of whole numbers as text."""

import numpy as np

from tapewire.compiled.jit import jit_entry

#: A number of so many digits always fits 64 bits.
DIGITS_MAX = 18
#: Of the whole seconds of a time, so that its nanoseconds fit.
SECOND_DIGITS_MAX = 9
DECIMALS = 9
_ZERO, _COMMA, _LINE, _RETURN, _MINUS, _POINT = b"0,\n\r-."


@jit_entry
def read_numbers(text: np.ndarray, size: int, timed: int, out: np.ndarray) -> tuple[int, int, int]:
    """Read whole lines of numbers between commas.

    Lines end with a line feed, before which a carriage return may stand; empty ones are passed.

    Parameters
    ----------
    text
        uint8, of which ``size`` bytes are there.
    timed
        1: the first number of a line are seconds with at most nine decimals, read as ns; 0: whole.
    out
        int64, shape (rows, columns), filled from its beginning: a row for each two bytes of text
        per column always suffice.

    Returns
    -------
    rows : int
        Rows read.
    passed : int
        Where the first line begins that is not whole, or is none of ``columns`` numbers.
    bad : int
        1: it is whole.
    """
    columns = out.shape[1]
    rows = 0
    at = 0
    while at < size:
        begin = at
        if text[at] == _RETURN and at + 1 < size and text[at + 1] == _LINE:
            at += 1
        if text[at] == _LINE:
            at += 1
            continue
        good = True
        for column in range(columns):
            negative = at < size and text[at] == _MINUS
            if negative:
                at += 1
            first = at
            value = np.int64(0)
            digit = np.int64(0)
            while at < size:
                digit = np.int64(text[at]) - _ZERO
                if digit < 0 or digit > 9:
                    break
                value = value * 10 + digit
                at += 1
            digits = at - first
            if timed == 1 and column == 0:
                good = digits <= SECOND_DIGITS_MAX
                decimals = 0
                if at < size and text[at] == _POINT:
                    at += 1
                    first = at
                    while at < size:
                        digit = np.int64(text[at]) - _ZERO
                        if digit < 0 or digit > 9:
                            break
                        value = value * 10 + digit
                        at += 1
                    decimals = at - first
                    good &= 0 < decimals <= DECIMALS
                for _ in range(DECIMALS - decimals):
                    value *= 10
            good &= 0 < digits <= DIGITS_MAX
            if column + 1 < columns:
                good &= at < size and text[at] == _COMMA
            else:
                if at < size and text[at] == _RETURN:
                    at += 1
                good &= at < size and text[at] == _LINE
            if not good:
                break
            at += 1
            out[rows, column] = -value if negative else value
        if not good:
            while at < size and text[at] != _LINE:
                at += 1
            return rows, begin, 1 if at < size else 0
        rows += 1
    return rows, at, 0
