"""Records that two files have at one clock: left out, or refused by name.

Files of one dataset whose ranges overlap hold the same records there; played as they are, each
would change the book and fill orders twice.
"""

from typing import Final

import numpy as np

from tapewire.errors import FormatError
from tapewire.market.times import time_text
from tapewire.replay import _duplicates as kernels

_ROOM_MIN: Final = 4_096
#: Records of one clock; a table for so many takes about 300 MB.
_ROOM_MAX: Final = 1 << 22
_MEMBER_WORDS: Final = 9


class DuplicateFilter:
    """Looks at merged records, batch after batch; memory follows how many share one clock.

    Parameters
    ----------
    files
        Names in the order of the merge, for the message.
    refuse
        A duplicate is an error; else it is left out and counted.
    """

    def __init__(self, files: list[str], *, refuse: bool) -> None:
        self._files = files
        self._refuse = refuse
        self._state = np.zeros(kernels.DUP_STATE_SIZE, np.int64)
        self._members = np.empty((0, _MEMBER_WORDS), np.int64)
        self._slots = np.zeros((0, 2), np.int64)

    @property
    def dropped(self) -> int:
        """Records left out so far."""
        return int(self._state[kernels.DUP_DROPPED])

    def keep(
        self,
        words: np.ndarray,
        keys: np.ndarray,
        order: np.ndarray,
        begin: int,
        alike: np.ndarray,
    ) -> int:
        """Move what stays of the records from ``begin`` on forward; return where it ends.

        Parameters
        ----------
        words, keys, order, alike
            As in `tapewire.replay._duplicates.drop_duplicates`, up to their ends.

        Raises
        ------
        FormatError
            If one is a duplicate and they are refused.
        """
        end = len(words)
        self._make_room(2 * (end - begin))
        kept, duplicate = kernels.drop_duplicates(
            words, keys, order, begin, end, alike, len(alike),
            self._members, self._slots, self._state, self._refuse,
        )  # fmt: skip
        if duplicate >= 0:
            raise self._refused(words[duplicate], int(order[duplicate]), int(keys[duplicate]))
        return int(kept)

    def _make_room(self, more: int) -> None:
        used = int(self._state[kernels.DUP_USED])
        if used + more <= len(self._members):
            return
        if used > _ROOM_MAX:
            raise FormatError(
                f"{', '.join(self._files[:5])}: more than {_ROOM_MAX // 2:,} records share one "
                "ts_recv: whether files hold the same ones can't be told"
            )
        room = max(_ROOM_MIN, used + more, 2 * len(self._members))
        members = np.empty((room, _MEMBER_WORDS), np.int64)
        members[:used] = self._members[:used]
        self._members = members
        self._slots = np.zeros((1 << (2 * room - 1).bit_length(), 2), np.int64)
        self._state[kernels.DUP_GENERATION] += 1
        kernels.fill_slots(self._members, self._slots, self._state)

    def _refused(self, record: np.ndarray, place: int, clock: int) -> FormatError:
        used = int(self._state[kernels.DUP_USED])
        same = (self._members[:used, :7] == record).all(axis=1)
        places = [int(p) for p in self._members[:used, 7][same] if p not in (place, kernels.GIVEN)]
        other = self._files[places[0]] if places else "another file"
        order_id = int(record.view(np.uint64)[2])
        sequence = int(record.view(np.uint32)[13])
        return FormatError(
            f"{self._files[place]} and {other} overlap: both have the record of order {order_id}, "
            f"sequence {sequence}, at {time_text(clock)}, which would count double: leave one out, "
            "or set data_source.duplicates to drop (--duplicates drop)"
        )
