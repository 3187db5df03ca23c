"""A declared strategy as compiled functions over a record, for runs over records."""

import re
from collections.abc import Iterator
from typing import Final

from tapewire.candles.indicators.compiled import COLUMNS, memory_of
from tapewire.candles.rules.plan import ComparisonKey, SeriesKey
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError
from tapewire.generator.converting.naming import WIDTH, constant_name, literal, shown, wrapped
from tapewire.generator.converting.parts import (
    COMPARED,
    CROSSINGS,
    Call,
    NamedSource,
    StrategyCode,
    call_text,
    exits_text,
    is_price,
    number_text,
    text_of,
)

#: Most bars that a parameter may ask for, unless the strategy has more.
_PERIOD_MAX: Final = 1_000
_NS_PER_MINUTE: Final = 60_000_000_000
_DIFFERENT: Final = (
    "It trades as the class of the same rules does (`--as python`), order by order; see "
    "`tapewire.generator.tape.compiled`."
)

_ON_TRADE: Final = '''
def on_start(ctx, state):
    """Nothing is known yet."""
    begin(ctx, state)
{unknown}

def on_trade(ctx, state):
    """Close the bars that ended before it; act on what they say, or on its price."""
    see_time(ctx, state)
    timeframe = ended_bar(state)
    while timeframe >= 0:
        take_bar(state, timeframe, state.bars[timeframe])
        timeframe = ended_bar(state)
    add_trade(ctx, state)
    act(ctx, state)


def on_fill(ctx, state):
    """Count stops and targets from what an entry was filled at."""
    note_fill(ctx, state)

'''


def compiled_code(code: StrategyCode) -> str:
    """Return a module with a `StrategyDefinition`.

    Raises
    ------
    ConfigError
        If sessions do not begin at one time of day, UTC, or end before the next begins.
    """
    offset_ns = _offset_ns(code.clock)
    body = [*_take_bar(code), *_prepare(code, offset_ns), *_definition(code)]
    state = _state(code)
    unknown = "".join(
        f"    state.{name} = np.nan\n" for source in code.sources for name in _kept(code, source)
    )
    hooks = _ON_TRADE.format(unknown=unknown).splitlines()
    text = "\n".join([*state, *hooks, *body])
    lines = code.header("a compiled strategy, converted from declared rules.")[:-1]
    lines += ["", *(line.strip() for line in wrapped(_DIFFERENT)), '"""', ""]
    lines += _imports(code, text)
    return "\n".join([*lines, text]) + "\n"


def _offset_ns(clock: SessionClock) -> int:
    if clock.timezone != "UTC" or clock.end is not None:
        raise ConfigError(
            "session: expected sessions of 24 hours, UTC, as '17:00', of a compiled strategy, "
            f"found {str(clock)!r}; --as python takes any"
        )
    hours, minutes = map(int, clock.start.split(":"))
    return (60 * hours + minutes) * _NS_PER_MINUTE


def _timeframes(code: StrategyCode) -> list[str]:
    return [*code.secondary, code.primary]


def _kept(code: StrategyCode, source: NamedSource) -> Iterator[str]:
    """Fields of what a source gives, as of its last bar, and as the primary bar before saw it."""
    for output in source.outputs:
        name = source.series(output)
        yield name
        if name in code.crossing:
            yield f"{name}_before"


def _ranges(code: StrategyCode) -> dict[int, list[tuple[str, str]]]:
    """Where average true ranges of exits are kept, by their periods."""
    found: dict[int, list[tuple[str, str]]] = {}
    for side, exits in (("LONG", code.long_exits), ("SHORT", code.short_exits)):
        for place, one in (
            ("STOP", exits.stop_loss), ("TARGET", exits.take_profit), ("TRAIL", exits.trailing_stop)
        ):  # fmt: skip
            if one is not None and one.kind == "atr":
                found.setdefault(one.period, []).append((side, place))
    return found


# --- parts of the module --------------------------------------------------------------------------


def _imports(code: StrategyCode, text: str) -> list[str]:
    def used(*names: str) -> list[str]:
        return [name for name in names if re.search(rf"\b{name}\b", text)]

    wanted = {
        "tapewire.candles": [*used("Distance"), "Exits"],
        "tapewire.candles.indicators": ["compiled as indicators"] if used("indicators") else [],
        "tapewire.compiled.parameters": used("ParameterSpec"),
        "tapewire.generator.tape.comparing": sorted(used(*COMPARED.values(), "in_ticks")),
        "tapewire.generator.tape.compiled": [
            *used("LONG", "PARAMETERS", "SHORT", "STOP", "TARGET", "TRAIL", "WANTS"),
            *used("act", "add_trade", "bar_fields", "begin", "decide", "end_bar", "ended_bar"),
            *used("note_fill", "prepare_bars", "see_time"),
        ],
        "tapewire.strategies": ["StrategyDefinition"],
    }
    lines = ["import numpy as np", "", "import tapewire as tw"]
    for module, names in wanted.items():
        if not names:
            continue
        line = f"from {module} import {', '.join(names)}"
        many = [f"from {module} import (", *(f"    {name}," for name in names), ")"]
        lines += [line] if len(line) <= WIDTH else many
    return [*lines, ""]


def _state(code: StrategyCode) -> list[str]:
    names = ", ".join(map(literal, _timeframes(code)))
    comma = "," if len(_timeframes(code)) == 1 else ""
    lines = [
        f"TIMEFRAMES = ({names}{comma})  # the primary one last",
        f"LONG_EXITS = {exits_text(code.long_exits)}",
        f"SHORT_EXITS = {exits_text(code.short_exits)}",
        "",
        "STATE = np.dtype(",
        "    [",
        "        *bar_fields(len(TIMEFRAMES)),",
    ]
    for source in code.sources:
        for name, one, _ in source.parameters():
            kind = "i8" if source.definition.parameters[one].type is int else "f8"
            lines.append(f'        ("{name}", "{kind}"),')
        lines += [f'        ("{name}", "f8"),' for name in _kept(code, source)]
        if room := _room(source):
            lines.append(f'        ("{source.name}_memory", "f8", ({room},)),')
    for period in _ranges(code):
        lines.append(f'        ("range_{period}_memory", "f8", ({memory_of("atr", {})},)),')
    return [*lines, "    ]", ")", ""]


def _longest(value: int) -> int:
    return max(_PERIOD_MAX, value)


def _room(source: NamedSource) -> int:
    specs = source.definition.parameters
    longest = {
        one: _longest(value) if specs[one].type is int else value
        for one, value in source.values.items()
    }
    return memory_of(source.key.indicator, longest)


def _take_bar(code: StrategyCode) -> list[str]:
    lines = [
        "", "@tw.jit", "def take_bar(state, timeframe, bar):",
        '    """A bar has ended: what is looked at of its timeframe; the primary one decides."""',
    ]  # fmt: skip
    for k, timeframe in enumerate(_timeframes(code)):
        inner = [
            line
            for source in code.sources
            if source.key.timeframe == timeframe
            for line in _step(source)
        ]
        if timeframe != code.primary:
            if inner:
                lines += [f"    if timeframe == {k}:", *inner]
            continue
        for period, places in _ranges(code).items():
            inner.append(
                f"        found = indicators.atr(state.range_{period}_memory, bar, {period})"
            )
            inner += [f"        state.ranges[{side}, {place}] = found" for side, place in places]
        lines += [f"    if timeframe == {k}:", *inner, *_decision(code)]
    return [*lines, ""]


def _step(source: NamedSource) -> list[str]:
    column = COLUMNS.get(source.key.indicator)
    if column is not None:
        return [f"        state.{source.name} = bar[indicators.{source.key.indicator.upper()}]"]
    arguments = [f"state.{source.name}_memory", "bar"]
    arguments += [f"state.{name}" for name, _, _ in source.parameters()]
    call = f"indicators.{source.key.indicator}"
    if len(source.definition.outputs) == 1:
        start = f"state.{source.name} = "
        return [f"{' ' * 8}{start}{call_text(call, arguments, ' ' * 8, before=len(start))}"]
    start = "found = "
    lines = [f"{' ' * 8}{start}{call_text(call, arguments, ' ' * 8, before=len(start))}"]
    return lines + [
        f"        state.{source.series(output)} = found[{output}]" for output in source.outputs
    ]


def _decision(code: StrategyCode) -> list[str]:
    lines = ["        end_bar(state, bar)"]
    names = ("enter_long", "exit_long", "enter_short", "exit_short")
    for name, rule in zip(names, code.plan.rules, strict=True):
        lines += code.answer(rule, lambda key: _call(code, key), f"{name} = ")
    lines.append(f"        decide(state, {', '.join(names)})")
    for source in code.sources:
        for output in source.outputs:
            name = source.series(output)
            if name in code.crossing:
                lines.append(f"        state.{name}_before = state.{name}")
    return lines


def _call(code: StrategyCode, key: ComparisonKey) -> Call:
    left, right = code.series_of(key.left), key.right
    if isinstance(right, SeriesKey):
        other = before = f"state.{code.series_of(right)}"
        before += "_before"
    else:
        other = number_text(right)
        if is_price(key.left) and right != 0:
            other = f"in_ticks({other}, state.unit / 1e9)"
        before = other
    arguments = [f"state.{left}", other]
    if key.code in CROSSINGS:
        arguments += [f"state.{left}_before", before]
    return COMPARED[key.code], arguments


def _prepare(code: StrategyCode, offset_ns: int) -> list[str]:
    arguments = ["parameters", "state", "TIMEFRAMES", "LONG_EXITS", "SHORT_EXITS"]
    if offset_ns:
        arguments.append(f"offset_ns={offset_ns}")
    lines = [
        "", "def prepare(parameters, state):",
        '    """Write the parameters into the state record, which is zero at the start."""',
        f"    prepare_bars({', '.join(arguments)})",
    ]  # fmt: skip
    for source in code.sources:
        lines += [
            f'    state["{name}"] = parameters["{name}"]' for name, _, _ in source.parameters()
        ]
    return [*lines, ""]


def _definition(code: StrategyCode) -> list[str]:
    # What is shown has nothing that a literal would have to escape.
    named = shown(code.strategy.name)[:60]
    lines = [
        "", f"{constant_name(code.strategy.name)} = StrategyDefinition(",
        f'    name="{named}",', f'    doc="{named} {code.strategy.version}, on bars.",',
        "    parameters={", "        **PARAMETERS,",
    ]  # fmt: skip
    for source in code.sources:
        for name, one, value in source.parameters():
            spec = source.definition.parameters[one]
            most = _longest(value) if spec.type is int else spec.maximum
            doc = literal(f"{one} of {source.name.replace('_', ' ')}")
            arguments = [spec.type.__name__, doc, text_of(value), str(spec.minimum), str(most)]
            start = f'"{name}": '
            text = call_text("ParameterSpec", arguments, " " * 8, before=len(start) + 1)
            lines.append(f"        {start}{text},")
    lines += [
        "    },", "    state=STATE,", "    prepare=prepare,", "    wants=WANTS,",
        "    on_start=on_start,", "    on_trade=on_trade,", "    on_fill=on_fill,", ")",
    ]  # fmt: skip
    return lines
