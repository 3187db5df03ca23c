"""``tapewire run …`` with a clock beside it: ``python -m tapewire.bench._watched_run run …``.

The same command line, nothing of it changed. When it has ended, prints one more line, JSON:
``kernels_s``, the time it took to compile or load the kernels, and ``first_s``, the reading of
``time.monotonic()`` when the first batch had its effects.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapewire import cli

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig
    from tapewire.runs.hooks import RunProgress


def _watch(seen: dict[str, Any]) -> None:
    """Put the clock beside the two functions it reads at; they do what they did."""
    from tapewire.cli.display import Display
    from tapewire.runs import wiring

    real_warm_up, real_progress = wiring.warm_up, Display.progress

    def warm_up(
        config: "RunConfig", announce: Callable[[str], None], *, abroad: bool = False
    ) -> None:  # fmt: skip
        began_s = time.monotonic()
        real_warm_up(config, announce, abroad=abroad)
        seen["kernels_s"] = time.monotonic() - began_s

    def progress(self: Display, progress: "RunProgress") -> None:
        seen.setdefault("first_s", time.monotonic())
        real_progress(self, progress)

    wiring.warm_up = warm_up
    Display.progress = progress  # type: ignore[method-assign]


if __name__ == "__main__":
    seen: dict[str, Any] = {}
    _watch(seen)
    sys.argv[0] = "tapewire"
    try:
        cli.main()
    finally:
        print(json.dumps(seen), flush=True)
