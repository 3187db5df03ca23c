"""Where there is something to learn, a small agent learns it."""

from functools import partial
from pathlib import Path

import numpy as np

import tapewire as tw
from episodes import play
from stories import INSTRUMENT, SYMBOL, Tape
from streams import dbn_bytes
from tapewire.bridge.gym import TradingEnv

SECONDS = 300
TICKS = 3


def telling_market(path: Path, seed: int) -> int:
    """A market that says where it goes: it moves towards its heavy side, 3 ticks a second.

    What could be won by knowing: that many ticks, but for those of the spread.
    """
    rng = np.random.default_rng(seed)
    tape, price, order = Tape(), 1_000, 10
    tape.add(0, 1, "B", price, 5).add(0, 2, "A", price + 1, 5)
    sides = rng.choice([-1, 1], SECONDS)
    bid, ask = 1, 2
    for k, side in enumerate(sides.tolist(), 1):
        at = k * 1_000_000
        # Before the second its sizes change, and after it its prices.
        tape.modify(at - 200_000, bid, 40 if side > 0 else 4)
        tape.modify(at - 200_000, ask, 4 if side > 0 else 40)
        price += TICKS * side
        tape.cancel(at + 500_000, bid).cancel(at + 500_000, ask)
        bid, ask, order = order, order + 1, order + 2
        tape.add(at + 500_000, bid, "B", price, 5).add(at + 500_000, ask, "A", price + 1, 5)
    path.write_bytes(dbn_bytes(tape.records(), mappings={SYMBOL: [(INSTRUMENT, 0, 10_000)]}))
    return TICKS * SECONDS - int(np.count_nonzero(np.diff(sides)))


class Table:
    """Q-learning over the sign of the imbalance and the position, with numpy alone."""

    def __init__(self, seed: int) -> None:
        self.values = np.zeros((3, 3, 3))
        self.rng = np.random.default_rng(seed)

    def state(self, observation: np.ndarray) -> tuple[int, int]:
        return int(np.sign(observation[0])) + 1, int(observation[2]) + 1

    def act(self, observation: np.ndarray) -> int:
        return int(self.values[self.state(observation)].argmax())

    def learn(self, env: TradingEnv, *, explore: float, rate: float, discount: float) -> None:
        observation, _ = env.reset()
        over = False
        while not over:
            at = self.state(observation)
            action = self.act(observation)
            if self.rng.random() < explore:
                action = int(self.rng.integers(3))
            observation, reward, over, _, _ = env.step(action)
            best = 0.0 if over else self.values[self.state(observation)].max()
            value = self.values[at][action]
            self.values[at][action] += rate * (reward + discount * best - value)


def test_an_agent_learns(tmp_path: Path) -> None:
    def env_of(seed: int) -> tuple[TradingEnv, int]:
        path = tmp_path / f"{seed}.dbn"
        most = telling_market(path, seed)
        market = {SYMBOL: {"tick_size": 1, "multiplier": 1}}
        sim = partial(tw.Simulation, path, instruments=market)
        return TradingEnv(sim, features=["imbalance_1"], every="1s"), most

    agent = Table(seed=1)
    for seed in range(3):
        agent.learn(env_of(seed)[0], explore=0.3, rate=0.1, discount=0.5)
    unseen, most = env_of(99)
    learned = sum(play(unseen, agent.act)[1])
    rng = np.random.default_rng(2)
    random = [sum(play(unseen, lambda _: int(rng.integers(3)))[1]) for _ in range(10)]
    # It wins nearly all there is, on a day that it has not seen; luck would be far away.
    assert 0.95 * most <= learned <= most
    assert learned > np.mean(random) + 10 * np.std(random)
    assert np.mean(random) < 0.1 * most
