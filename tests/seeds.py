"""Long runs over seeds: new ones each time, told in full where one fails, to be played again."""

import os
import random
import time
from collections.abc import Callable

#: Names the one seed to play, for what another run found.
GIVEN = "TAPEWIRE_SEED"
#: How often it is told how far it is, s.
TOLD_EVERY_S = 60.0


def play_seeds(
    name: str,
    count: int,
    play: Callable[[int], object],
    *,
    verb: str = "test-long",
    failures_max: int = 1,
) -> int:
    """Play so many seeds in a row, from a drawn one on, or the one that is given; return how many.

    ``name`` is the test's, ``verb`` is make's. Hours of seeds need not end at the first that fails:
    they go on up to ``failures_max``, and all that failed is raised together.
    """
    given = os.environ.get(GIVEN)
    first = int(given) if given else random.SystemRandom().randrange(2**32 - count)
    print(f"{name}: seeds from {first} on", flush=True)
    count = 1 if given else count
    failures: list[Exception] = []
    told_s = time.monotonic()
    for seed in range(first, first + count):
        try:
            play(seed)
        except Exception as error:
            error.add_note(f'again: {GIVEN}={seed} make {verb} ARGS="-k {name}"')
            if failures_max == 1:
                raise
            print(f"{name}: seed {seed} failed: {error}", flush=True)
            failures.append(error)
            if len(failures) == failures_max:
                break
        if time.monotonic() - told_s > TOLD_EVERY_S:
            told_s = time.monotonic()
            print(f"{name}: {seed + 1 - first} of {count}", flush=True)
    if failures:
        played = seed + 1 - first
        raise ExceptionGroup(f"{name}: {len(failures)} of {played} seeds failed", failures)
    return count
