"""Long runs over seeds: new ones each time, told in full where one fails, to be played again."""

import os
import random
from collections.abc import Callable

#: Names the one seed to play, for what another run found.
GIVEN = "TAPEWIRE_SEED"


def play_seeds(
    name: str, count: int, play: Callable[[int], object], *, verb: str = "test-long"
) -> int:
    """Play so many seeds in a row, from a drawn one on, or the one that is given; return how many.

    ``name`` is the test's, ``verb`` is make's.
    """
    given = os.environ.get(GIVEN)
    first = int(given) if given else random.SystemRandom().randrange(2**32 - count)
    print(f"{name}: seeds from {first} on", flush=True)
    count = 1 if given else count
    for seed in range(first, first + count):
        try:
            play(seed)
        except Exception as error:
            error.add_note(f'again: {GIVEN}={seed} make {verb} ARGS="-k {name}"')
            raise
    return count
