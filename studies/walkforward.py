"""``tapewire walkforward``: windows over a study that is complete."""

import json
import os
from typing import Final

from tapewire.atomic import atomic_write
from tapewire.studies.luck import returns_of
from tapewire.studies.study import Study
from tapewire.studies.walk_report import write_walk
from tapewire.studies.walking import Walk, Windows, walk

#: Names in the study's folder.
RESULT: Final = "walkforward.json"
PAGE: Final = "walkforward.html"


def walkforward(
    study: Study | str | os.PathLike[str],
    *,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    by: str = "net_pnl",
) -> Walk:
    """Choose the best trial of each window of a study; say what it made afterwards.

    The windows are of the study's blocks, days by default. Its constraints are not asked for: they
    are of whole trials, and would know of what comes. The page and the result are left in the
    study's folder.

    Parameters
    ----------
    study
        A complete study, or its folder.
    train, test
        Blocks that are chosen by, and that follow.
    anchored
        Choose by all blocks from the first on.
    purge, embargo
        Blocks left out between the two, and after each test.
    by
        ``net_pnl``, ``sharpe`` (by block) or ``max_drawdown`` (at ends of blocks; the least).

    Raises
    ------
    ConfigError
        If blocks are too few, or nothing may be chosen.
    MissingFileError, FormatError
        If there is no complete study.
    """
    if not isinstance(study, Study):
        study = Study(study)
    windows = Windows(train, test, anchored, purge, embargo)
    returns, starts, numbers = returns_of(study.blocks)
    found = walk(returns, starts, numbers, windows, by)
    atomic_write(study.path / RESULT, json.dumps(found.to_dict(), indent=1))
    write_walk(study.path / PAGE, study, found, windows, by)
    return found
