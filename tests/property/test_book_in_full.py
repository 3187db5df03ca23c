"""The compiled book beside its naive twin over a million events, and a thousand streams."""

import random

import numpy as np
import pytest

from generated import Market
from naive.twins import Compiled, Naive, assert_equal
from soaking import Soak
from tapewire.replay.synth import SyntheticSession


def play(records: np.ndarray, draw: random.Random) -> int:
    """Apply records to both in uneven batches, and compare after each; how many batches."""
    naive, compiled = Naive(), Compiled()
    at = batches = 0
    while at < len(records):
        some = records[at : at + draw.choice([1, 7, 256, 4_096, 65_536])]
        naive.apply(some)
        compiled.apply(some)
        assert_equal(naive, compiled)
        at += len(some)
        batches += 1
    return batches


@pytest.mark.soak
def test_a_million_events(soak: Soak) -> None:
    def one(seed: int) -> None:
        events = 1_000_000
        chunks = [
            c.copy() for c in SyntheticSession(events, instruments=8, seed=seed).chunks(5_000)
        ]
        records = np.concatenate(chunks)
        batches = play(records, random.Random(seed))
        soak.say(f"{len(records):,} records, both alike after each of {batches:,} batches")

    soak.seeds(1, one)


@pytest.mark.soak
def test_a_thousand_streams(soak: Soak) -> None:
    batches = 0

    def one(seed: int) -> None:
        nonlocal batches
        draw = random.Random(seed)
        market = Market(draw)
        for _ in range(300):
            market.step(crossing=draw.random() < 0.5)
        batches += play(market.records(), draw)

    played = soak.seeds(1_000, one)
    soak.say(f"{played:,} streams, both alike after each of {batches:,} batches")


def test_a_few_streams_in_uneven_batches() -> None:
    batches = 0
    for seed in range(6):
        draw = random.Random(seed)
        market = Market(draw)
        for _ in range(60):
            market.step(crossing=False)
        batches += play(market.records(), draw)
    assert batches > 6
