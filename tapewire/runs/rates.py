"""Rates of currencies over time, from a file that a configuration names."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tapewire.compiled.tables import read_table
from tapewire.config.accounts import PRODUCT_MAX
from tapewire.config.input_files import open_plain
from tapewire.config.schema import ConfiguredAccount, parse_time_ns
from tapewire.errors import ConfigError, FormatError, MissingFileError
from tapewire.market.times import time_text

COLUMNS: Final = ("ts", "currency", "rate")
RATE_MAX: Final = 1_000_000
#: What is less is nothing, or a fraction of a billion digits.
_RATE_MIN: Final = Decimal("1e-30")


@dataclass(frozen=True)
class RateFile:
    """What units of currencies are worth in the account's, and since when.

    Attributes
    ----------
    rates
        By currency: (ns since the epoch, rate), ascending.
    size_bytes, sha256
        Of the file.
    """

    path: str
    rates: dict[str, list[tuple[int, Fraction]]]
    size_bytes: int
    sha256: str

    def between(self, currency: str, start_ns: int, end_ns: int) -> list[tuple[int, Fraction]]:
        """Return the rate in force at a start and those that follow it before an end (0: none).

        Raises
        ------
        ConfigError
            If there is none at or before the start.
        """
        known = self.rates.get(currency, [])
        before = [k for k, (ts, _) in enumerate(known) if ts <= start_ns]
        if not before:
            found = f"the first one at {time_text(known[0][0])}" if known else "none"
            raise ConfigError(
                f"{self.path}: expected a rate of {currency} at or before the start "
                f"({time_text(start_ns)}), found {found}"
            )
        return [row for row in known[before[-1] :] if not end_ns or row[0] < end_ns]


def read_rates(path: str) -> RateFile:
    """Read a file of rates: CSV or Parquet with the columns ``ts``, ``currency`` and ``rate``.

    Times are ns since the epoch or ISO 8601 with an offset; rates are decimals. Each currency's
    times ascend. Whole numbers that are no ns of our days are refused: 20240304 is a date.

    Raises
    ------
    MissingFileError, FormatError
        Naming the file, the line (of a CSV, its header is line 1; else the row) and the column.
    """
    file = Path(path)
    table = read_table(file, "rates of currencies")
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise FormatError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, found "
            f"{', '.join(table.column_names) or 'none'}"
        )
    is_parquet = file.suffix.lower() in (".parquet", ".pq")
    rates: dict[str, list[tuple[int, Fraction]]] = {}
    columns = (_values(table, name) for name in COLUMNS)
    are_moments = _are_moments(table, "ts")
    for row, (ts, currency, rate) in enumerate(zip(*columns, strict=True)):
        where = f"{path}: row {row + 1}" if is_parquet else f"{path}: line {row + 2}"
        name = _currency(currency, where)
        at_ns = _time(ts, where, any_ns=are_moments)
        mine = rates.setdefault(name, [])
        if mine and at_ns <= mine[-1][0]:
            what = "a second one" if at_ns == mine[-1][0] else "an earlier one"
            raise FormatError(
                f"{where}, ts: expected a time after that of the last rate of {name} "
                f"({time_text(mine[-1][0])}), found {what}: {time_text(at_ns)}"
            )
        mine.append((at_ns, _rate(rate, where)))
    if not rates:
        raise FormatError(f"{path}: expected at least one rate, found none")
    try:
        with open_plain(file, "rates of currencies") as content:
            data = content.read()
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error}") from error
    return RateFile(path, rates, len(data), hashlib.sha256(data).hexdigest())


def read_rate_file(account: ConfiguredAccount | None) -> RateFile | None:
    """Read the file of rates that an account names, if it does.

    Raises
    ------
    MissingFileError, FormatError
        If it can't be used.
    ConfigError
        If it has a currency that the account has a fixed rate of, or the account's own.
    """
    if account is None or account.rate_file is None:
        return None
    file = read_rates(account.rate_file)
    for currency in file.rates:
        if currency == account.currency or currency in account.rates:
            own = "the account's own" if currency == account.currency else "one with a fixed rate"
            raise ConfigError(
                f"{file.path}: expected currencies other than the account's and those in "
                f"backtest.account.rates, found {currency}, {own}"
            )
    return file


def with_rates_at(
    account: ConfiguredAccount | None, file: RateFile | None, start_ns: int
) -> ConfiguredAccount | None:
    """Return the account with the rates of a start that a file has, of currencies known by then."""
    if account is None or file is None:
        return account
    there = {
        currency: file.between(currency, start_ns, 0)[0][1]
        for currency, known in file.rates.items()
        if known[0][0] <= start_ns
    }
    return account.model_copy(update={"rates": {**account.rates, **there}})


def rate_in(currency: str | None, symbol: str, account: ConfiguredAccount | None) -> Fraction:
    """Return what a unit of a currency is worth in the account's as the run begins.

    Raises
    ------
    ConfigError
        If the account has no rate of it.
    """
    if currency is None or account is None or currency == account.currency:
        return Fraction(1)
    if currency not in account.rates:
        raise ConfigError(
            f"{account.rate_file}: expected a rate of {currency}, the currency of {symbol}, found "
            f"none"
        )
    return Fraction(account.rates[currency])


def worths_of(
    file: RateFile, currency: str, multiplier: Fraction, start_ns: int, end_ns: int
) -> list[tuple[int, int, int]]:
    """Return what a price point is worth over the data: (from when on, numerator, denominator).

    Raises
    ------
    ConfigError
        If there is no rate at the start, or one whose digits do not fit exact integers.
    """
    steps = []
    for ts, rate in file.between(currency, start_ns, end_ns):
        worth = multiplier * rate
        if worth.numerator * worth.denominator > PRODUCT_MAX:
            raise ConfigError(
                f"{file.path}: expected a rate of {currency} at {time_text(ts)} (times the "
                f"multiplier) of fewer digits, found {worth.numerator}/{worth.denominator}"
            )
        steps.append((ts, worth.numerator, worth.denominator))
    return steps


def _are_moments(table: Any, name: str) -> bool:
    """Whether a column has times of a unit of its own: what it says is no guess."""
    import pyarrow as pa

    return bool(pa.types.is_timestamp(table.column(name).type))


def _values(table: Any, name: str) -> list[Any]:
    import pyarrow as pa

    column = table.column(name)
    if _are_moments(table, name):
        column = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _currency(value: Any, where: str) -> str:
    text = "" if value is None else str(value).strip()
    if not (3 <= len(text) <= 5 and text.isascii() and text.isalpha() and text.isupper()):
        raise FormatError(f"{where}, currency: expected letters like EUR, found {text!r}")
    return text


def _time(value: Any, where: str, *, any_ns: bool) -> int:
    text = value if isinstance(value, int) else "" if value is None else str(value).strip()
    try:
        whole = isinstance(text, str) and text.isdigit()
        return parse_time_ns(int(text) if whole else text, any_ns=any_ns)
    except (TypeError, ValueError):
        raise FormatError(
            f"{where}, ts: expected ns since the epoch (0, or of 1973 and later) or an ISO 8601 "
            f"time like 2024-03-04, found {value!r}"
        ) from None


def _rate(value: Any, where: str) -> Fraction:
    try:
        number = Decimal("" if value is None else str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not _RATE_MIN <= number <= RATE_MAX:
        raise FormatError(
            f"{where}, rate: expected a number above 0, up to {RATE_MAX:,}, found {value!r}"
        )
    return Fraction(number)
