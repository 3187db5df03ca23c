"""``tapewire walkforward``: windows over a study that is complete."""

import json
import os
from typing import Final

from tapewire.atomic import atomic_write
from tapewire.errors import ConfigError
from tapewire.studies.luck import returns_of
from tapewire.studies.pruning import PRUNED
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
        A complete study, or its folder; all of its trials were played to the end.
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
        If blocks are too few, nothing may be chosen, or trials were given up: nobody knows what
        they would have made, and to be among those that are left is to know of later blocks.
    MissingFileError, FormatError
        If there is no complete study.
    """
    if not isinstance(study, Study):
        study = Study(study)
    windows = Windows(train, test, anchored, purge, embargo)
    pruned = study.trials["status"].to_pylist().count(PRUNED)
    if pruned:
        raise ConfigError(
            f"{study.path}: expected a study whose trials were all played to the end, found "
            f"{pruned:,} that {'was' if pruned == 1 else 'were'} given up: look for the best "
            "without --prune"
        )
    returns, starts, numbers = returns_of(study.blocks)
    found = walk(returns, starts, numbers, windows, by)
    atomic_write(study.path / RESULT, json.dumps(found.to_dict(), indent=1))
    write_walk(study.path / PAGE, study, found, windows, by)
    return found
