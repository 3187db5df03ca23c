"""What Tapewire wants to reach, and whether one bench's rows reach it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from tapewire.bench.measure import Row

Statistic = Literal["median", "best"]


class Rows:
    """The rows of one bench, looked up by group and name.

    Parameters
    ----------
    rows : sequence of Row
    statistic : str
        Which run of a row counts.
    """

    def __init__(self, rows: Sequence[Row], statistic: Statistic = "median") -> None:
        self._rows = rows
        self._statistic = statistic

    def find(self, group: str, name: str) -> Row | None:
        """The first row of a group whose name matches the pattern (``*`` is anything)."""
        named = (row for row in self._rows if row.group == group and fnmatchcase(row.name, name))
        return next(named, None)

    def seconds(self, row: Row) -> float:
        """Wall time of the run that counts."""
        return row.median_s if self._statistic == "median" else row.best_s

    def rate(self, row: Row) -> float:
        """Millions of records per second in the run that counts."""
        return row.events / self.seconds(row) / 1e6


#: Reads one number from the rows; None: a row is missing.
Value = Callable[[Rows], float | None]


def rate(group: str, name: str) -> Value:
    """Millions of records per second of a row."""

    def value(rows: Rows) -> float | None:
        row = rows.find(group, name)
        return None if row is None else rows.rate(row)

    return value


def seconds(group: str, name: str) -> Value:
    """Seconds of a row."""

    def value(rows: Rows) -> float | None:
        row = rows.find(group, name)
        return None if row is None else rows.seconds(row)

    return value


def figure(group: str, name: str, key: str) -> Value:
    """A figure of a row, by its name."""

    def value(rows: Rows) -> float | None:
        row = rows.find(group, name)
        return None if row is None else row.figures.get(key)

    return value


def over(above: Value, below: Value) -> Value:
    """One value divided by another."""

    def value(rows: Rows) -> float | None:
        a, b = above(rows), below(rows)
        return None if a is None or b is None else a / b

    return value


def either(first: Value, second: Value) -> Value:
    """The first value, or where its row is missing the second one."""

    def value(rows: Rows) -> float | None:
        found = first(rows)
        return second(rows) if found is None else found

    return value


@dataclass(frozen=True)
class Target:
    """One thing to reach.

    Attributes
    ----------
    name : str
    bound : float
    unit : str
    value : callable
        Reads what was found from the rows.
    at_least : bool
        Whether more is better.
    """

    name: str
    bound: float
    unit: str
    value: Value
    at_least: bool = True

    @property
    def wanted(self) -> str:
        """The bound as text."""
        return f"{'≥' if self.at_least else '<'} {self.bound:g} {self.unit}"


@dataclass(frozen=True)
class Found:
    """A target beside what was measured; ``None`` where it was not."""

    target: Target
    median: float | None
    best: float | None

    @property
    def met(self) -> bool | None:
        """Whether the median run reaches it."""
        if self.median is None:
            return None
        if self.target.at_least:
            return self.median >= self.target.bound
        return self.median < self.target.bound

    @property
    def verdict(self) -> str:
        """``met`` in words."""
        return {True: "met", False: "not met", None: "not measured"}[self.met]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {"median": self.median, "best": self.best}
        return {
            "name": self.target.name,
            "wanted": self.target.wanted,
            **{key: None if v is None else round(v, 4) for key, v in values.items()},
            "verdict": self.verdict,
        }


def judge(rows: Sequence[Row]) -> list[Found]:
    """Hold the rows against every target."""
    median, best = Rows(rows, "median"), Rows(rows, "best")
    return [Found(target, target.value(median), target.value(best)) for target in TARGETS]


_E2E: Final = rate("end to end", ".dbn, two processes, shared memory")
_E2E_ZST: Final = rate("end to end", ".dbn.zst, two processes, shared memory")
_BOOK: Final = rate("stage", "book only")
_OURS: Final = rate("tapewire", "run, .dbn, two processes, synthetic")
#: Of the longest row only: in fewer events buffers are still filling up to their bounds.
_SLOPE: Final = figure("growth, events", "100,000,000 events", "rss_slope_mb_per_10m")
#: Of a whole run; the short bench has the loop alone.
_VENUE_MB: Final = either(
    figure("growth, instruments", "11,000 instruments, *, tapewire run", "peak_mb"),
    figure("growth, instruments", "11,000 instruments, even", "peak_mb"),
)
_MRPS: Final = "M records/s"
_STUDY: Final = seconds("studies", "100 variants, all cores")


def _per_s(group: str, name: str) -> Value:
    return figure(group, name, "backtests_per_s")


def _of_size(group: str, name: str, events: int) -> Value:
    """Seconds of a row, if it is of the size that the target is for."""

    def value(rows: Rows) -> float | None:
        row = rows.find(group, name)
        return None if row is None or row.events < events else rows.seconds(row)

    return value


#: So many files of one instrument each are merged (`tapewire.bench.sources`).
FILES: Final = 8

TARGETS: Final = (
    Target("end to end, .dbn, two processes", 18, _MRPS, _E2E),
    Target("end to end, share of book only", 0.60, "×", over(_E2E, _BOOK)),
    Target(
        "end to end, .dbn.zst, share of zstd decompression alone",
        0.90,
        "×",
        over(_E2E_ZST, rate("limit", "zstd decompression alone")),
    ),
    Target("mbp-10 derived from memory", 5, _MRPS, rate("stage", "derive mbp-10")),
    *(
        Target(
            f"{FILES} files merged, {ending}, CPU time of one",
            1.25,
            "×",
            figure("source", f"{FILES} files merged, {ending}", "cpu_times_one"),
            at_least=False,
        )
        for ending in (".dbn", ".dbn.zst")
    ),
    *(
        Target(
            f"a run over {FILES} files merged, {ending}, time of one",
            1.25,
            "×",
            figure("source", f"run, {FILES} files merged, {ending}", "wall_times_one"),
            at_least=False,
        )
        for ending in (".dbn", ".dbn.zst")
    ),
    Target(
        "a run of a .dbn.zst, rate of decompression in turns with it",
        0.90,
        "×",
        over(rate("source", "run, .dbn.zst"), rate("source", "zstd decompression alone")),
    ),
    Target(
        "a .dbn.zst of several frames, all cores, rate of one thread",
        1,
        "×",
        over(
            rate("source", ".dbn.zst of several frames, all cores"),
            rate("source", ".dbn.zst of several frames, one thread"),
        ),
    ),
    *(
        Target(name, 5, _MRPS, rate("source", name))
        for name in (
            "derive mbp-10 to .dbn",
            "convert .dbn.zst to .dbn",
            "convert .dbn to .dbn.zst",
            "convert ITCH to .dbn",
            "convert LOBSTER to .dbn",
        )
    ),
    Target(
        "a simulation with 100,000 fills a second, slower for its collector",
        3,
        "%",
        figure("stage", "loop and touches, collected beside", "slower_percent"),
        at_least=False,
    ),
    Target("loop without a strategy", 25, _MRPS, rate("stage", "loop, no strategy")),
    Target("synthetic market", 3, _MRPS, rate("stage", "synthetic market")),
    Target(
        "5,000 instruments, as active as on a venue",
        8,
        _MRPS,
        rate("growth, instruments", "5,000 instruments, zipf"),
    ),
    Target(
        "5,000 instruments, evenly active",
        8,
        _MRPS,
        rate("growth, instruments", "5,000 instruments, even"),
    ),
    Target(
        "1,000,000 live orders, cost of 4,000",
        2.5,
        "×",
        figure("growth, live orders", "1,000,000 live orders", "times_4k"),
        at_least=False,
    ),
    Target("memory kept per 10 million events", 1, "MB", _SLOPE, at_least=False),
    Target(
        "11,000 instruments, peak memory",
        2_000,
        "MB",
        _VENUE_MB,
        at_least=False,
    ),
    Target(
        "run process at rest, memory",
        350,
        "MB",
        figure("growth, idle", "*", "rss_mb"),
        at_least=False,
    ),
    Target(
        "wall time per record in a batch of 4,096, 99th percentile",
        10,
        "µs",
        figure("latency", "per record, in batches of 4,096", "p99_us"),
        at_least=False,
    ),
    Target(
        "a hundred variants, cost of one",
        12,
        "×",
        over(rate("variants", "1 variant, one pass"), rate("variants", "100 variants, one pass")),
        at_least=False,
    ),
    Target(
        "a study of a hundred variants, all cores, time of one run",
        12,
        "×",
        over(_STUDY, seconds("studies", "one run")),
        at_least=False,
    ),
    Target(
        "a study of a thousand variants, time by variant of one of a hundred",
        1.1,
        "×",
        figure("studies", "1,000 variants, all cores", "times_100"),
        at_least=False,
    ),
    Target(
        "a study on all cores, share of so many times one core",
        0.85,
        "×",
        figure("studies", "100 variants, all cores", "scaling"),
    ),
    Target(
        "a study, memory by variant",
        1,
        "MB",
        figure("studies", "60 variants, 1 worker", "mb_per_variant"),
        at_least=False,
    ),
    Target(
        "hftbacktest, the same hundred variants one after another",
        50,
        "×",
        over(
            rate("studies", "100 variants, all cores"),
            rate("rival", "hftbacktest * 100 variants one after another, synthetic"),
        ),
    ),
    Target(
        "plain Python, every event",
        0.75,
        "M callbacks/s",
        figure("callbacks", "every event", "m_callbacks_per_s"),
    ),
    Target(
        "plain Python, every trade",
        0.3,
        "M callbacks/s",
        figure("callbacks", "every trade", "m_callbacks_per_s"),
    ),
    Target(
        "plain Python, one record in 100, share of compiled",
        0.75,
        "×",
        over(
            rate("callbacks", "one record in 100, plain Python"),
            rate("callbacks", "one record in 100, compiled"),
        ),
    ),
    Target(
        "plain Python, one record in 1,000, share of compiled",
        0.90,
        "×",
        over(
            rate("callbacks", "one record in 1,000, plain Python"),
            rate("callbacks", "one record in 1,000, compiled"),
        ),
    ),
    Target("bridge, 256 rows a message", 1, "M rows/s", rate("bridge", "wire, 256 rows a message")),
    Target(
        "bridge, 4,096 rows a message", 5, "M rows/s", rate("bridge", "wire, 4,096 rows a message")
    ),
    Target(
        "a model beside the market maker, share of the run without it",
        0.50,
        "×",
        over(
            rate("bridge", "run, market maker and a model, pipelined"),
            rate("bridge", "run, market maker"),
        ),
    ),
    Target(
        "lockstep round trip, median",
        150,
        "µs",
        figure("bridge", "lockstep round trip", "p50_us"),
        at_least=False,
    ),
    Target(
        "one event fed by itself, median",
        2,
        "µs",
        figure("latency", "per event, fed one by one", "p50_us"),
        at_least=False,
    ),
    Target(
        "one event fed by itself, 99th percentile",
        10,
        "µs",
        figure("latency", "per event, fed one by one", "p99_us"),
        at_least=False,
    ),
    Target(
        "warm start, to the first event", 2, "s", seconds("start", "warm start"), at_least=False
    ),
    Target(
        "cold start, compiling", 30, "s", figure("start", "cold start", "kernels_s"), at_least=False
    ),
    Target(
        "hftbacktest, the same market maker",
        10,
        "×",
        over(_OURS, rate("rival", "hftbacktest * market maker, synthetic")),
    ),
    Target(
        "NautilusTrader, the same market maker",
        200,
        "×",
        over(_OURS, rate("rival", "NautilusTrader * market maker, synthetic*")),
    ),
    Target(
        "crossovers on candles, vectorbt's from_signals",
        80,
        "×",
        over(
            _per_s("candles", "crossovers, beside rivals"),
            _per_s("candle rival", "vectorbt * from_signals"),
        ),
    ),
    Target(
        "crossovers on candles, all assumptions, vectorbt's from_signals without them",
        40,
        "×",
        over(
            _per_s("candles", "crossovers, all assumptions"),
            _per_s("candle rival", "vectorbt * from_signals"),
        ),
    ),
    Target(
        "elephant bar, signals differ",
        5_000,
        "backtests/s",
        _per_s("candles", "elephant bar, signals differ"),
    ),
    Target(
        "elephant bar, exits differ",
        10_000,
        "backtests/s",
        _per_s("candles", "elephant bar, exits differ"),
    ),
    Target(
        "elephant bar, two threads, rate of one",
        1.7,
        "×",
        over(
            _per_s("candles", "elephant bar, two threads"),
            _per_s("candles", "elephant bar, one thread"),
        ),
    ),
    Target(
        "one strategy on candles, vectorised",
        0.02,
        "s",
        seconds("candles", "one strategy, vectorised"),
        at_least=False,
    ),
    Target(
        "one elephant bar",
        0.02,
        "s",
        seconds("candles", "elephant bar, one variant"),
        at_least=False,
    ),
    Target(
        "100,000 elephant bars in one search",
        90,
        "s",
        seconds("candles", "elephant bar, one large search"),
        at_least=False,
    ),
    Target(
        "one strategy on candles, bar by bar",
        1,
        "s",
        seconds("candles", "one strategy, bar by bar"),
        at_least=False,
    ),
    Target(
        "declared strategies on candles, time of one of many",
        3,
        "ms",
        figure("candles", "declared strategies, whole command", "ms_each"),
        at_least=False,
    ),
    Target(
        "declared strategies on candles, peak memory",
        1_000,
        "MB",
        figure("candles", "declared strategies, whole command", "peak_mb"),
        at_least=False,
    ),
    Target(
        "1,000 strategies drawn",
        1,
        "s",
        seconds("factory", "strategies drawn"),
        at_least=False,
    ),
    Target(
        "10,000 strategies drawn and traded",
        60,
        "s",
        seconds("factory", "drawn and traded"),
        at_least=False,
    ),
    Target(
        "10,000 strategies drawn and traded, peak memory",
        2_000,
        "MB",
        figure("factory", "drawn and traded", "peak_mb"),
        at_least=False,
    ),
    Target(
        "10,000 strategies judged, peak memory",
        2_000,
        "MB",
        figure("factory", "drawn and judged", "peak_mb"),
        at_least=False,
    ),
    Target(
        "genetic search of 500 by 50",
        120,
        "s",
        seconds("factory", "genetic search"),
        at_least=False,
    ),
    Target(
        "genetic search of 500 by 50, peak memory",
        2_000,
        "MB",
        figure("factory", "genetic search", "peak_mb"),
        at_least=False,
    ),
    Target(
        "a million strategies stored on SQLite",
        150,
        "s",
        _of_size("store", "strategies, SQLite", 1_000_000),
        at_least=False,
    ),
    Target(
        "10 million results stored on PostgreSQL",
        300,
        "s",
        _of_size("store", "results, PostgreSQL", 10_000_000),
        at_least=False,
    ),
    *(
        Target(
            f"a page of 100 strategies anywhere, {name}, 99th percentile",
            10,
            "ms",
            figure("store", f"pages of 100, {name}", "p99_ms"),
            at_least=False,
        )
        for name in ("SQLite", "PostgreSQL")
    ),
    *(
        Target(
            f"calls that a core answers, {what}",
            2_000,
            "/s",
            figure("services", what, "per_s_core"),
        )
        for what in ("health", "who am I")
    ),
    Target(
        "a call at 1,000 a second, 99th percentile",
        5,
        "ms",
        figure("services", "who am I, 1,000 a second", "p99_ms"),
        at_least=False,
    ),
    Target(
        "a page of 100 strategies of the studio, 99th percentile",
        50,
        "ms",
        figure("studio", "pages, the best", "p99_ms"),
        at_least=False,
    ),
    Target(
        "ten open pages of the studio",
        5,
        "% of a core",
        figure("studio", "10 open pages", "core_percent"),
        at_least=False,
    ),
    Target(
        "the studio's first view, until it is seen",
        1_000,
        "ms",
        figure("studio", "first view", "paint_ms"),
        at_least=False,
    ),
    *(
        Target(
            f"storing {what}, peak memory",
            2_000,
            "MB",
            figure("store", what, "peak_mb"),
            at_least=False,
        )
        for what in ("strategies, SQLite", "results, PostgreSQL")
    ),
)
