"""What is known of a generation so far, beside what the store has: sums, the best, a digest."""

import hashlib
import heapq
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

#: Of a generation's strategies, so many are known as the best.
BEST_KEPT: Final = 1_000
#: And so many of all, whatever their fitness, as a sample.
SAMPLE_KEPT: Final = 1_000


@dataclass(frozen=True)
class TriedStrategy:
    """What came of one strategy of a batch.

    Attributes
    ----------
    hash : str
    fitness, sharpe : float, optional
        None: it has none.
    digest : str
        Of its result.
    """

    hash: str
    fitness: float | None
    sharpe: float | None
    digest: str


@dataclass
class GenerationSums:
    """Sums over the batches of a generation, in their order.

    Attributes
    ----------
    digest : str
        SHA-256 of the digest before a batch and of those of its results, batch by batch.
    best : list of (float, str)
        Fitness and hash, the fittest first; of equals, the one whose hash is less.
    sample : list of str, optional
        The least hashes of all that were tried: which those are hangs on nothing that they came to,
        and not on how they were packed. None: of a generation that was begun without.
    history : list of dict
        A line for each batch: ``number``, ``evaluated``, ``best``, ``median``, and what the search
        itself says.
    sharpes, sharpe_mean, sharpe_squares : int, float, float
        Of all Sharpe ratios: how many, their mean, squares of what each is off it (Welford 1962).
    """

    digest: str = ""
    best: list[tuple[float, str]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    sharpes: int = 0
    sharpe_mean: float = 0.0
    sharpe_squares: float = 0.0
    sample: list[str] | None = field(default_factory=list)

    def add(self, number: int, tried: Sequence[TriedStrategy], said: Mapping[str, Any]) -> None:
        """Take a batch; ``said`` is what the search says of it, JSON-ready."""
        found = hashlib.sha256(self.digest.encode())
        for one in tried:
            found.update(one.digest.encode())
            if one.sharpe is not None and math.isfinite(one.sharpe):
                self._add_sharpe(one.sharpe)
        self.digest = found.hexdigest()
        fit = [
            (one.fitness, one.hash)
            for one in tried if one.fitness is not None and math.isfinite(one.fitness)
        ]  # fmt: skip
        known = {code: value for value, code in fit} | {code: value for value, code in self.best}
        self.best = heapq.nsmallest(
            BEST_KEPT, ((value, code) for code, value in known.items()),
            key=lambda one: (-one[0], one[1]),
        )  # fmt: skip
        if self.sample is not None:
            hashes = {*self.sample, *(one.hash for one in tried)}
            self.sample = heapq.nsmallest(SAMPLE_KEPT, hashes)
        values = [value for value, _ in fit]
        self.history.append({
            "number": number,
            "evaluated": len(tried),
            "best": max(values, default=None),
            "median": statistics.median(values) if values else None,
            **said,
        })  # fmt: skip

    def _add_sharpe(self, sharpe: float) -> None:
        self.sharpes += 1
        off = sharpe - self.sharpe_mean
        self.sharpe_mean += off / self.sharpes
        self.sharpe_squares += off * (sharpe - self.sharpe_mean)

    @property
    def sharpe_variance(self) -> float | None:
        """Variance of all Sharpe ratios; None: there are not two."""
        return self.sharpe_squares / (self.sharpes - 1) if self.sharpes > 1 else None

    @property
    def tried(self) -> int:
        """How many strategies were evaluated."""
        return sum(line["evaluated"] for line in self.history)

    def as_json(self) -> dict[str, Any]:
        """Return it JSON-ready; `of_json` takes it."""
        return {**vars(self), "best": [list(one) for one in self.best]}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_json` made a mapping of."""
        best = [(value, code) for value, code in values["best"]]
        known = {"sample": None, **values, "best": best, "history": list(values["history"])}
        return cls(**known)
