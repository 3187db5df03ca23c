"""One digest, whatever carries the records, in whatever batches, by whichever kernels."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soaking import Soak

BATCHES = (1, 7, 256, 4_096, 65_536)
TRANSPORTS = ("inproc", "ipc", "tcp")
HASH_SEEDS = ("0", "1", "4294967295")


def digest_of(folder: Path, *options: object, **env: str) -> str:
    """The digest of a run in a process of its own; kernels may have to be compiled first."""
    command = [sys.executable, "-m", "tapewire", "run", "-o", "run", "--force"]
    ran = subprocess.run(
        [*command, *map(str, options)], cwd=folder, env={**os.environ, **env},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{options} {env}: {ran.stderr}"
    return str(json.loads((folder / "run" / "manifest.json").read_text())["digest"])


@pytest.mark.soak
def test_every_batch_size_and_way_of_travelling(
    soak: Soak, tmp_path: Path, synthetic_file: Path
) -> None:
    """Inproc is one process, the others are two."""
    ways = itertools.product(BATCHES, TRANSPORTS, ("shared", "inline"))
    digests = {
        (*way, seed): digest_of(
            tmp_path, synthetic_file, "--batch-records", way[0], "--transport", way[1],
            "--payload", way[2], PYTHONHASHSEED=seed,
        )
        for way, seed in zip(ways, itertools.cycle(HASH_SEEDS), strict=False)
    }  # fmt: skip
    assert len(set(digests.values())) == 1, digests
    soak.say(f"{len(digests)} runs, one digest")


@pytest.mark.soak
def test_kernels_that_are_compiled_anew_kept_and_checked(
    soak: Soak, tmp_path: Path, synthetic_file: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    kept = {"TAPEWIRE_CACHE_DIR": str(cache)}
    digests = [digest_of(tmp_path, synthetic_file, **kept) for _ in ("cold", "warm")]
    digests.append(digest_of(tmp_path, synthetic_file, NUMBA_BOUNDSCHECK="1", **kept))
    assert len(set(digests)) == 1, digests
    soak.say("compiled anew, loaded, and compiled with bounds checks: one digest")
