"""Batches on bars that are killed go on to the file of an unbroken one."""

import random
import subprocess
import time
from pathlib import Path

import pytest

from conftest import Tapewire
from factories import walk_file
from seeds import play_seeds
from soaking import Soak

KILLS, KILLS_LONG = 100, 4
#: Longest that an undisturbed one may take on a busy machine, s.
WHOLE_S = 240.0
FILES = tuple(f"{number}.parquet" for number in range(6))
WORDS = (
    "candles", "batch", *FILES, "-s", "sma_cross", "-p", "fast=2:40:1", "-p", "slow=50:200:1",
)  # fmt: skip


class Batch:
    """A batch of six blocks, whose file is known; it is killed until it ends in spite of it."""

    def __init__(self, folder: Path, tapewire: Tapewire) -> None:
        for seed, name in enumerate(FILES):
            walk_file(folder / name, days=20, seed=seed)
        self._folder, self._tapewire = folder, tapewire
        self.kills, self.ended = [0] * (len(FILES) + 1), 0
        self._output, self._kept = folder / "rows.parquet", folder / ".rows.parquet.kept"
        for _ in "12":  # the first may compile
            began_s = time.monotonic()
            self._start(WHOLE_S)
            self._whole_s = time.monotonic() - began_s
            self._whole = self._output.read_bytes()
            self._output.unlink()

    def play(self, seed: int) -> None:
        """Kill it at a moment that the seed says."""
        self._play(random.Random(seed).random() * self._whole_s)

    def finish(self) -> None:
        """Let it end."""
        self._play(WHOLE_S)

    def _play(self, moment_s: float) -> None:
        try:
            self._start(moment_s)
        except subprocess.TimeoutExpired:
            self.kills[len(list(self._kept.glob("[0-9]*.parquet")))] += 1
            if self._output.exists():  # it was done, and had only to end
                assert self._output.read_bytes() == self._whole
                self._output.unlink()
            return
        self.ended += 1
        assert self._output.read_bytes() == self._whole
        self._output.unlink()
        assert {path.name for path in self._folder.iterdir()} == set(FILES)

    def _start(self, timeout_s: float) -> None:
        how = "--resume" if (self._kept / "batch.json").exists() else "--checkpoint"
        process = self._tapewire.start(*WORDS, "-o", self._output.name, how)
        try:
            _, error = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == 0, error

    @property
    def figures(self) -> str:
        by_kept = ", ".join(f"{n} behind {kept}" for kept, n in enumerate(self.kills) if n)
        return f"kills by blocks that were kept: {by_kept}; {self.ended} ended, one file"


@pytest.mark.long
@pytest.mark.timeout(500)
def test_a_killed_batch_goes_on_to_the_same_file(tapewire: Tapewire, tmp_path: Path) -> None:
    batch = Batch(tmp_path, tapewire)
    play_seeds("test_a_killed_batch_goes_on_to_the_same_file", KILLS_LONG, batch.play)
    batch.finish()
    print(batch.figures)
    assert sum(batch.kills)


@pytest.mark.soak
def test_batches_killed_at_random_moments(tapewire: Tapewire, tmp_path: Path, soak: Soak) -> None:
    batch = Batch(tmp_path, tapewire)
    soak.seeds(KILLS, batch.play)
    batch.finish()
    soak.say(batch.figures)
