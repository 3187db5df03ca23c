"""What records of a run said of themselves: the policy, where one lies, words for the warnings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.config.schema import DatabentoSource, RunConfig
from tapewire.errors import FlaggedDataError, InputError
from tapewire.market.flags import FlagKind
from tapewire.market.records import ACTION_CLEAR, F_BAD_TS_RECV, F_LAST, F_MAYBE_BAD_BOOK, MBO_DTYPE

if TYPE_CHECKING:
    from tapewire.router import FlaggedBook, FlagPolicy
    from tapewire.wire import FileInfo

_CHUNK_RECORDS: Final = 65_536
#: Books that are named in a warning; the manifest has all of them.
BOOKS_TOLD_MAX: Final = 5
_SAID: Final = {
    FlagKind.MAYBE_BAD_BOOK: "{n} are flagged F_MAYBE_BAD_BOOK: the capture may have gaps",
    FlagKind.BAD_TS_RECV: "{n} of the live feed are flagged F_BAD_TS_RECV: they were captured at "
    "another time than they say",
}


def flag_policy(config: RunConfig) -> "FlagPolicy":
    """What a configuration says is done where a record says something of itself."""
    from tapewire.router import FlagPolicy

    source = config.backtest.data_source
    if not isinstance(source, DatabentoSource):
        return FlagPolicy()
    return FlagPolicy(
        {
            kind: action
            for kind in FlagKind
            if (action := getattr(source.flags, kind.key)) != "continue"
        }
    )


def located(
    error: FlaggedDataError, files: "Sequence[FileInfo]", tick: Callable[[], None]
) -> FlaggedDataError:
    """Say in which file a record lies that stopped a run, and where; as it is, if in none.

    Parameters
    ----------
    files
        Those of the stream; what is not on this host is passed over.
    tick
        Called after each chunk that was read; may raise.
    """
    # Those that by their headers cover that time come first.
    for file in sorted(files, key=lambda file: not file.start_ns <= error.ts_recv < file.end_ns):
        try:
            place = _place_in(file.name, error, tick)
        except InputError:
            continue
        if place:
            return FlaggedDataError(
                f"{place}: {error}", error.kind, error.publisher_id, error.instrument_id,
                error.ts_event, error.ts_recv,
            )  # fmt: skip
    return error


def _place_in(path: str, error: FlaggedDataError, tick: Callable[[], None]) -> str:
    """Return where the record lies in a file; empty: not there."""
    from tapewire.replay.dbn import DbnFile

    # Of several of a time the last one ended its event without F_LAST, the first one has the flag.
    last = error.kind == FlagKind.MISSING_LAST.key
    place = ""
    with DbnFile(path, allow_truncated=True) as file:
        chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
        while not file.at_end:
            before = file.records_read
            found = np.flatnonzero(_is_it(chunk[: file.read_into(chunk)], error))
            if found.size:
                place = file.place_of(before + int(found[-1 if last else 0]))
                if not last:
                    break
            tick()
    return place


def _is_it(records: npt.NDArray[Any], error: FlaggedDataError) -> Any:
    """Which records, ``MBO_DTYPE``, shape (n,), are like the one that stopped the run."""
    like = (
        (records["ts_recv"] == error.ts_recv)
        & (records["ts_event"] == error.ts_event)
        & (records["instrument_id"] == error.instrument_id)
        & (records["publisher_id"] == error.publisher_id)
    )
    if error.kind == FlagKind.CLEAR.key:
        return like & (records["action"] == ACTION_CLEAR)
    if error.kind == FlagKind.MISSING_LAST.key:
        return like & (records["flags"] & F_LAST == 0)
    flag = F_MAYBE_BAD_BOOK if error.kind == FlagKind.MAYBE_BAD_BOOK.key else F_BAD_TS_RECV
    return like & (records["flags"] & flag != 0)


def flag_warnings(books: "Sequence[FlaggedBook]") -> list[str]:
    """Say which records said something of themselves, and which books were marked."""
    said = []
    for kind, text in _SAID.items():
        those = [(book.counts[kind], book.who) for book in books if book.counts[kind]]
        if those:
            n = sum(count for count, _ in those)
            records = "1 record" if n == 1 else f"{n:,} records"
            said.append(f"{text.format(n=records)} ({_listed(those)})")
    marked = [(book.marked_events, book.who) for book in books if book.marked_n]
    if marked:
        left = [book.who for book in books if book.in_doubt]
        still = f"; still in doubt at the end: {', '.join(left[:BOOKS_TOLD_MAX])}" if left else ""
        said.append(
            "books were marked as in doubt, and fills and strategies waited (data_source: flags; "
            f"events of each: {_listed(marked)}){still}: see data_marked in manifest.json"
        )
    return said


def _listed(counts: list[tuple[int, str]]) -> str:
    """The books with most, and how many more there are."""
    most = sorted(counts, key=lambda one: -one[0])
    more = f" and {len(most) - BOOKS_TOLD_MAX:,} more" if len(most) > BOOKS_TOLD_MAX else ""
    return ", ".join(f"{who}: {n:,}" for n, who in most[:BOOKS_TOLD_MAX]) + more


def flags_in_manifest(policy: "FlagPolicy", books: "Sequence[FlaggedBook]") -> dict[str, Any]:
    """What the manifest says of them: ``data_flags``, and ``data_marked`` where some were."""
    said: dict[str, Any] = {
        "data_flags": {
            "policy": policy.to_dict(),
            "instruments": [book.flags() for book in books if any(book.counts.values())],
        }
    }
    if marked := [book.marks() for book in books if book.marked_n]:
        said["data_marked"] = marked
    return said
