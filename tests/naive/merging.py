"""The slow, obvious twin of the merge: heads of files compared one by one, duplicates counted."""

from collections import Counter

import numpy as np


def clocks(records: np.ndarray) -> list[int]:
    """A file's clock at each record: the largest ts_recv so far."""
    found: list[int] = []
    for ts_recv in records["ts_recv"].view(np.int64).tolist():
        found.append(max(ts_recv, found[-1]) if found else ts_recv)
    return found


def merge(files: list[np.ndarray], datasets: list[str] | None = None) -> list[tuple[int, int, int]]:
    """Clock, place of the file and place in it of each record, in merged order."""
    datasets = datasets or ["one"] * len(files)
    times = [clocks(records) for records in files]
    at = [0] * len(files)
    merged = []

    def head(place: int) -> tuple[int, int, int, int, int]:
        record = files[place][at[place]]
        rank = datasets.index(datasets[place])
        return (
            times[place][at[place]], rank, int(record["channel_id"]), int(record["sequence"]), place
        )  # fmt: skip

    while left := [place for place in range(len(files)) if at[place] < len(files[place])]:
        place = min(left, key=head)
        merged.append((times[place][at[place]], place, at[place]))
        at[place] += 1
    return merged


def without_duplicates(
    merged: list[tuple[int, int, int]], files: list[np.ndarray]
) -> list[tuple[int, int, int]]:
    """Leave out a record's n-th copy of a file where n copies were given at that clock already."""
    given: Counter[tuple[int, bytes]] = Counter()
    own: Counter[tuple[int, bytes, int]] = Counter()
    kept = []
    for clock, place, i in merged:
        content = files[place][i].tobytes()
        own[clock, content, place] += 1
        if own[clock, content, place] > given[clock, content]:
            given[clock, content] += 1
            kept.append((clock, place, i))
    return kept
