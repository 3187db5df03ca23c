"""Kernels of the live room, compiled before anything waits for them."""

import sys
from typing import Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once
from tapewire.live._kernels import pass_records, pick_mbo
from tapewire.live.framing import MESSAGES
from tapewire.market.records import RECORD_BYTES

#: What they are called in the kernel cache.
KERNELS: Final = "live"


def warm_up() -> None:
    """Compile (or load) them, saying so on standard error if another process does."""
    compile_once(_call_kernels, (KERNELS,), _say)


def _call_kernels() -> None:
    data = np.zeros(0, np.uint8)
    data.flags.writeable = False  # as bytes of a line are
    pass_records(data, 0, MESSAGES, np.zeros(1, np.int64))
    pick_mbo(data, 0, np.zeros((1, RECORD_BYTES), np.uint8), np.zeros(3, np.int64))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
