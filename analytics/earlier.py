"""An earlier run in a run folder, while another one takes its place.

The new run's files are complete, under temporary names, before anything is moved. Then the earlier
run goes into a hidden folder inside the run folder, the new one gets the names, and the hidden
folder goes. Whatever stops that in between, the run folder has one whole run or can have the
earlier one back: `recover` does that the next time the folder is claimed.

The hidden folder has one name while files move in or out of it, another while it holds the whole
earlier run. Only files with names of a run are moved or removed, never a tree.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tapewire.atomic import sync_folder

_MOVING: Final = ".tapewire.earlier.moving"
_WHOLE: Final = ".tapewire.earlier"


class EarlierRun:
    """The earlier run of one folder that the caller has locked.

    Parameters
    ----------
    folder
        The run folder.
    names
        The files of a run; the first is its manifest, which leaves first and comes back last.

    Raises
    ------
    OSError
        From every method but `forget`.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._moving = folder / _MOVING
        self._whole = folder / _WHOLE

    @property
    def interrupted(self) -> bool:
        """Whether something stopped an earlier replacement."""
        return self._moving.exists() or self._whole.exists()

    @property
    def place(self) -> Path:
        """Where files of an earlier run are that could not be put back."""
        return self._moving if self._moving.exists() else self._whole

    def set_aside(self) -> None:
        """Take the earlier run's files away, the manifest first."""
        self._moving.mkdir(mode=0o700)
        for name in self._names:
            if (self._folder / name).exists():
                (self._folder / name).rename(self._moving / name)
        self._moving.rename(self._whole)
        sync_folder(self._folder)

    def put_back(self) -> None:
        """Undo `set_aside`, in place of what got a name since; nothing to do without it."""
        if self._whole.exists():
            for name in self._names:
                (self._folder / name).unlink(missing_ok=True)
            self._whole.rename(self._moving)
        if not self._moving.exists():
            return
        for name in reversed(self._names):
            if (self._moving / name).exists():
                (self._moving / name).rename(self._folder / name)
        self._moving.rmdir()
        sync_folder(self._folder)

    def forget(self) -> None:
        """Remove what was set aside: the new run is complete. Never raises."""
        with contextlib.suppress(OSError):
            for name in self._names:
                (self._whole / name).unlink(missing_ok=True)
            self._whole.rmdir()

    def recover(self) -> None:
        """Finish what a killed process left: forward if its run was complete, else back."""
        if self._whole.exists() and (self._folder / self._names[0]).exists():
            self.forget()
        else:
            self.put_back()
