"""A declared strategy as a class in plain Python, for runs over records."""

from tapewire.candles import Exits
from tapewire.candles.rules.plan import ComparisonKey, SeriesKey
from tapewire.candles.sessions import SessionClock
from tapewire.generator.converting.naming import class_name, literal, wrapped
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

_DIFFERENT = (
    "Bars are made of trades; a bar has ended when a trade comes after it, and orders are sent "
    "then. What engines of bars assume is not so here: orders arrive after the configured latency "
    "and fill at the book's prices; stops and targets are watched at each trade and left by market "
    "orders. See `BarStrategy`."
)


def python_code(code: StrategyCode) -> str:
    """Return a module with a `BarStrategy`."""
    name = class_name(code.strategy.name)
    how = "a strategy for records, converted from declared rules."
    exits = [
        (side, one)
        for side, one in (("long_exits", code.long_exits), ("short_exits", code.short_exits))
        if one != Exits()
    ]
    has_distances = any("Distance(" in exits_text(one) for _, one in exits)
    has_parameters = any(source.values for source in code.sources)
    lines = code.header(how)[:-1]
    lines += ["", *(line.strip() for line in wrapped(_DIFFERENT)), '"""', ""]
    if has_parameters:
        lines.append("import tapewire as tw")
    if exits:
        named = "Distance, Exits" if has_distances else "Exits"
        lines.append(f"from tapewire.candles import {named}")
    lines.append("from tapewire.generator.tape import BarStrategy")
    if code.sources:
        lines.append("from tapewire.strategies.plain import Context")
    lines += [
        "", "", f"class {name}(BarStrategy):",
        '    """Trades as bars of its primary timeframe end."""', "",
        f"    version = {literal(code.strategy.version)}",
        f"    primary = {literal(code.primary)}",
    ]  # fmt: skip
    if code.secondary:
        comma = "," if len(code.secondary) == 1 else ""
        lines.append(f"    secondary = ({', '.join(map(literal, code.secondary))}{comma})")
    lines += [f"    {side} = {exits_text(one, '    ')}" for side, one in exits]
    lines += _parameters(code)
    if code.sources:
        lines += [
            "", "    def on_start(self, context: Context) -> None:",
            '        """Declare what is looked at."""', "        super().on_start(context)",
        ]  # fmt: skip
    for source in code.sources:
        lines += [_series(code, source, output) for output in source.outputs]
    for (question, doc), rule in zip(QUESTIONS, code.plan.rules, strict=True):
        if rule is not None:
            lines += [
                "",
                f"    def should_{question}(self) -> bool:",
                f'        """{doc}"""',
                *code.answer(rule, lambda key: _call(code, key)),
            ]
    return "\n".join(lines) + "\n"


def _parameters(code: StrategyCode) -> list[str]:
    lines = []
    for source in code.sources:
        for name, one, value in source.parameters():
            spec = source.definition.parameters[one]
            doc = literal(f"{one} of {source.name.replace('_', ' ')}")
            arguments = [text_of(value), doc, f"minimum={spec.minimum}", f"maximum={spec.maximum}"]
            start = f"    {name}: {spec.type.__name__} = "
            lines.append(
                start + call_text("tw.parameter", arguments, "    ", before=len(start) - 4)
            )
    if code.clock != SessionClock():
        lines.append(f"    session: str = {literal(str(code.clock))}")
    return ["", *lines] if lines else []


def _series(code: StrategyCode, source: NamedSource, output: int) -> str:
    arguments = [literal(source.key.indicator)]
    if source.key.timeframe != code.primary:
        arguments.append(f"timeframe={literal(source.key.timeframe)}")
    if output:
        arguments.append(f"output={literal(source.definition.outputs[output].name)}")
    arguments += [f"{one}=self.{name}" for name, one, _ in source.parameters()]
    start = f"self.{source.series(output)} = "
    return f"{' ' * 8}{start}" + call_text("self.series", arguments, " " * 8, before=len(start))


def _call(code: StrategyCode, key: ComparisonKey) -> Call:
    right = key.right
    other = f"self.{code.series_of(right)}" if isinstance(right, SeriesKey) else number_text(right)
    return f"self.{code.series_of(key.left)}.{COMPARED[key.code]}", [other]
