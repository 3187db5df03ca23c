"""Days that are played apart: which files are a day, and how one goes to who plays it."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import NoDataError
from tapewire.market.instruments import instrument_id_of
from tapewire.market.times import time_text

if TYPE_CHECKING:
    from tapewire.replay import ReplayPlan
    from tapewire.replay.dbn import DbnHeader

#: Seeds are below it.
_SEEDS: Final = 2**63


@dataclass(frozen=True)
class DayApart:
    """The files of a day, and where it stands among the others.

    Attributes
    ----------
    number
        From 0, in order.
    date
        UTC date of its first record, as 2024-03-04.
    plan
        What of the run's plan is this day's.
    """

    number: int
    date: str
    plan: "ReplayPlan"

    def seed(self, seed: int) -> int:
        """Seed of what is drawn at random on this day, whatever days are played beside it.

        SHA-256 of the run's and the date, 63 bits of it: a day's draws would else be those of
        every other day, as orders are numbered anew.
        """
        content = hashlib.sha256(f"{seed}|{self.date}".encode()).digest()
        return int.from_bytes(content[:8], "little") % _SEEDS

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {"number": self.number, "date": self.date, "plan": self.plan.to_json()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DayApart":
        """The day of plain values."""
        from tapewire.replay import ReplayPlan

        plan = ReplayPlan.from_json(values["plan"])
        return cls(values["number"], values["date"], plan)


def days_of(plan: "ReplayPlan", headers: "Sequence[DbnHeader]") -> tuple[list[DayApart], list[str]]:
    """Tell the days of a plan from each other: files that begin on one UTC date are one.

    Days before the start or after the end are left out; only that of the start has a warm-up.

    Parameters
    ----------
    plan
        Of all days.
    headers
        Of its files, in their order.

    Returns
    -------
    list of DayApart
        In order.
    list of str
        What was left out, in words.

    Raises
    ------
    NoDataError
        If there is no day.
    """
    groups: dict[int, list[DbnHeader]] = {}
    notes = []
    for header in headers:
        if header.first_ts_recv is None:
            notes.append(f"{header.path} has no records: it is no day")
        else:
            groups.setdefault(header.first_ts_recv // NS_PER_DAY, []).append(header)
    firsts = {day: min(h.first_ts_recv or 0 for h in mine) for day, mine in groups.items()}
    ordered = sorted(groups)
    days: list[DayApart] = []
    for k, day in enumerate(ordered):
        next_ns = firsts[ordered[k + 1]] if k + 1 < len(ordered) else None
        date = time_text(day * NS_PER_DAY)[:10]
        one = _plan_of(plan, groups[day], firsts[day], next_ns)
        if isinstance(one, str):
            notes.append(f"{date} is left out: {one}")
        elif one is not None:
            days.append(DayApart(len(days), date, one))
    if not days:
        raise NoDataError(
            "expected days with records between start and end, found none: look at the files with "
            "`tapewire data inspect FILE`"
        )
    return days, notes


def _plan_of(
    plan: "ReplayPlan", headers: "Sequence[DbnHeader]", first_ns: int, next_ns: int | None
) -> "ReplayPlan | str | None":
    """Plan of a day; why it has none; None for one that was not asked for."""
    start_ns, end_ns = plan.start_ns, plan.end_ns
    if start_ns is not None and next_ns is not None and next_ns <= start_ns:
        return None
    if end_ns is not None and end_ns <= first_ns:
        return None
    if start_ns is not None and start_ns <= first_ns:
        start_ns = None
    if end_ns is not None and next_ns is not None and next_ns <= end_ns:
        end_ns = None
    symbols = plan.symbols
    if symbols:
        there = {mapping.raw_symbol for header in headers for mapping in header.mappings}
        symbols = tuple(s for s in symbols if s in there or instrument_id_of(s) is not None)
        if not symbols:
            return f"its files have none of {', '.join(plan.symbols[:5])}"
    files = tuple(header.path for header in headers)
    return dataclasses.replace(plan, files=files, symbols=symbols, start_ns=start_ns, end_ns=end_ns)
