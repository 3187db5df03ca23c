"""A declared strategy as text, in the manner of charting scripts: for people, not for machines."""

from typing import Any, Final

from tapewire.candles import Exits
from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    CROSSES_BELOW,
    GREATER,
    GREATER_OR_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    ComparisonKey,
    Expression,
    SeriesKey,
)
from tapewire.candles.rules.wording import number_text
from tapewire.generator.canonical import rules_hash
from tapewire.generator.converting.naming import shown
from tapewire.generator.converting.parts import NamedSource, StrategyCode

_SIGNS: Final = {GREATER: ">", GREATER_OR_EQUAL: ">=", LESS: "<", LESS_OR_EQUAL: "<="}
_CALLS: Final = {
    CROSSES_ABOVE: "ta.crossover({}, {})",
    CROSSES_BELOW: "ta.crossunder({}, {})",
    NOT_CROSSES_ABOVE: "not ta.crossover({}, {})",
    NOT_CROSSES_BELOW: "not ta.crossunder({}, {})",
}
_RULES: Final = (("Long", "enter"), ("Long", "leave"), ("Short", "enter"), ("Short", "leave"))


def readable_text(code: StrategyCode) -> str:
    """Return the rules line by line; names are those of the other forms."""
    lines = [
        f"// {shown(code.strategy.name)} {code.strategy.version}, on bars of {code.primary}",
        f"// {code.known_from()}",
        f"// Rules: {rules_hash(code.rules)}",
        f'strategy("{shown(code.strategy.name)}")',
        "",
    ]
    for source in code.sources:
        lines += [_series(code, source, output) for output in source.outputs]
    for (side, verb), rule in zip(_RULES, code.plan.rules, strict=True):
        if rule is not None:
            lines += ["", f"if {_condition(code, rule, top=True)}"]
            act = f'entry("{side}", strategy.{side.lower()})'
            lines.append(f"    strategy.{act if verb == 'enter' else _closing(side)}")
    for side, exits in (("Long", code.long_exits), ("Short", code.short_exits)):
        if told := _exits(exits):
            lines += ["", f'strategy.exit("{side}", {", ".join(told)})']
    return "\n".join(lines) + "\n"


def _closing(side: str) -> str:
    return f'close("{side}")'


def _series(code: StrategyCode, source: NamedSource, output: int) -> str:
    values = ", ".join(f"{name}={number_text(value)}" for name, value in source.values.items())
    text = f"{source.key.indicator}({values})" if values else source.key.indicator
    if output:
        text += f".{source.definition.outputs[output].name}"
    if source.key.timeframe != code.primary:
        text = f'request.security("{source.key.timeframe}", {text})'
    return f"{source.series(output)} = {text}"


def _condition(code: StrategyCode, rule: Expression, *, top: bool) -> str:
    if rule is None:
        return "false"
    if isinstance(rule, ComparisonKey):
        left, right = code.series_of(rule.left), _right(code, rule.right)
        if rule.code in _SIGNS:
            return f"{left} {_SIGNS[rule.code]} {right}"
        return _CALLS[rule.code].format(left, right)
    word = " and " if rule.all_of else " or "
    text = word.join(_condition(code, part, top=False) for part in rule.parts)
    return text if top else f"({text})"


def _right(code: StrategyCode, right: Any) -> str:
    return code.series_of(right) if isinstance(right, SeriesKey) else number_text(right)


def _exits(exits: Exits) -> list[str]:
    given = (
        ("stop", exits.stop_loss), ("limit", exits.take_profit), ("trail", exits.trailing_stop),
    )  # fmt: skip
    told = []
    for name, one in given:
        if one is not None:
            unit = {"percent": "%", "fixed": "", "atr": f" * atr({one.period})"}[one.kind]
            told.append(f"{name}={number_text(one.value)}{unit}")
    if exits.time_exit is not None:
        told.append(f"bars={exits.time_exit}")
    return told
