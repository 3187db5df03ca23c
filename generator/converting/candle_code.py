"""A declared strategy as a class for the engines of bars, and a function that trades it."""

from typing import Final

from tapewire.candles.rules.plan import ComparisonKey, SeriesKey
from tapewire.generator.converting.naming import class_name, literal
from tapewire.generator.converting.parts import (
    COMPARED,
    QUESTIONS,
    Call,
    NamedSource,
    StrategyCode,
    call_text,
    exits_text,
    number_text,
    text_of,
)

_IMPORTS: Final = """
from tapewire.candles import (
    BacktestConfig,
    BacktestResult,
    Candles,
    CandleStrategy,
    {distance}EventDrivenEngine,
    Exits,
    VectorEngine,
)
from tapewire.candles.columns import BarColumns
from tapewire.candles.declared import DeclaredBars, with_own_exits
from tapewire.candles.engine import Played
from tapewire.candles.frames import Timeframes
{seen}from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import timeframe_name
"""

_BARS: Final = '''
def bars_of(candles: Candles) -> DeclaredBars:
    """Make the bars of all timeframes of the shortest ones."""
    shortest = timeframe_name(candles.interval_ns)
    columns = BarColumns.of_candles(candles)
    return DeclaredBars(candles, Timeframes.of(columns, shortest, TIMEFRAMES, CLOCK))
'''

_RUN: Final = '''
def run(
    candles: Candles,
    config: BacktestConfig | None = None,
    *,
    engine: EventDrivenEngine | None = None,
) -> BacktestResult:
    """Trade it: bar by bar on an engine, which has its own assumptions, else all bars at once."""
    bars = bars_of(candles)
    strategy = {name}(bars)
    given = engine.config if engine is not None else config or BacktestConfig()
    assumed = with_own_exits(given, LONG_EXITS, SHORT_EXITS)
    traded, ranges = bars.traded(PRIMARY), bars.ranges(PRIMARY, assumed.atr_periods)
    if engine is not None:
        return engine.with_config(assumed).run(traded, strategy, atr=ranges)
    played = Played.of(traded, assumed, ranges)
    codes = strategy.codes(traded)
    return VectorEngine(assumed).run_codes(traded, played, codes, strategy.name, {{}})
'''


def candle_code(code: StrategyCode) -> str:
    """Return a module with a `CandleStrategy`, its exits as configuration, and ``run``."""
    name = class_name(code.strategy.name)
    how = "a strategy on bars, converted from declared rules."
    has_distances = any(
        one is not None
        for exits in (code.long_exits, code.short_exits)
        for one in (exits.stop_loss, exits.take_profit, exits.trailing_stop)
    )
    imports = _IMPORTS.format(
        distance="Distance,\n    " if has_distances else "",
        seen="from tapewire.candles.seen import SeenColumn\n" if code.sources else "",
    )
    lines = [*code.header(how), *imports.rstrip("\n").splitlines(), ""]
    clock = code.clock
    end = f", {literal(clock.end)}" if clock.end else ""
    timeframes = ", ".join(map(literal, (code.primary, *code.secondary)))
    lines += [
        f"PRIMARY = {literal(code.primary)}",
        f"TIMEFRAMES = ({timeframes}{'' if code.secondary else ','})",
        f"CLOCK = SessionClock({literal(clock.timezone)}, {literal(clock.start)}{end})",
        f"LONG_EXITS = {exits_text(code.long_exits)}",
        f"SHORT_EXITS = {exits_text(code.short_exits)}",
        *_BARS.rstrip("\n").splitlines()[:0],
        "", *_BARS.rstrip("\n").splitlines(), "", "",
        f"class {name}(CandleStrategy):",
        '    """Says as each bar of its primary timeframe ends what to do."""',
        "",
        f"    name = {literal(code.strategy.name)}",
        f"    version = {literal(code.strategy.version)}",
        "",
        *_constructor(code),
    ]  # fmt: skip
    for (question, doc), rule in zip(QUESTIONS, code.plan.rules, strict=True):
        if rule is not None:
            lines += [
                "",
                f"    def should_{question}(self, candles: Candles, index: int) -> bool:",
                f'        """{doc}"""',
                *code.answer(rule, lambda key: _call(code, key)),
            ]
    lines += ["", *_RUN.format(name=name).rstrip("\n").splitlines()]
    return "\n".join(lines) + "\n"


def _constructor(code: StrategyCode) -> list[str]:
    lines = ["    def __init__(", "        self,", "        bars: DeclaredBars,"]
    parameters = [one for source in code.sources for one in source.parameters()]
    if parameters:
        lines.append("        *,")
    for name, _, value in parameters:
        lines.append(f"        {name}: {type(value).__name__} = {text_of(value)},")
    lines.append("    ) -> None:")
    if code.sources:
        lines.append("        frames = bars.frames")
    else:
        lines.append("        self.bars = bars")
    for source in code.sources:
        lines += [_column(source, output, code.primary) for output in source.outputs]
    return lines


def _column(source: NamedSource, output: int, primary: str) -> str:
    arguments = ["frames", "PRIMARY", literal(source.key.indicator)]
    if source.key.timeframe != primary:
        arguments.append(f"timeframe={literal(source.key.timeframe)}")
    if output:
        arguments.append(f"output={literal(source.definition.outputs[output].name)}")
    arguments += [f"{one}={name}" for name, one, _ in source.parameters()]
    start = f"self.{source.series(output)} = "
    return f"{' ' * 8}{start}" + call_text("SeenColumn.of", arguments, " " * 8, before=len(start))


def _call(code: StrategyCode, key: ComparisonKey) -> Call:
    right = key.right
    other = (
        f"self.{code.series_of(right)}[index]"
        if isinstance(right, SeriesKey)
        else number_text(right)
    )
    return f"self.{code.series_of(key.left)}[index].{COMPARED[key.code]}", [other]
