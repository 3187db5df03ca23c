"""Strategies derived from a grammar: what comes along, what users write, what is written wrong."""

import itertools
from pathlib import Path

import pytest

from tapewire.candles.rules import strategy_of
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError, MissingFileError
from tapewire.generator import StrategyConstraints, StrategyGrammar, strategy_hash
from tapewire.generator.drawing import Draws
from tapewire.generator.grammar import derive_strategies

RULE = '{"indicator": "rsi", "comparison": "less_than", "value": <10..30 step 10>}'
RULED = f'{{"entry_rules": {{"long": {RULE}}}}}'
OWN = f"""
# Mine.
<strategy> ::= {{"entry_rules": {{"long": <rule>}}}}
<rule> ::= {RULE}
  | {{"operator": "NOT", "conditions": [<rule>]}}
"""


def texts(text: str, count: int) -> list[str | None]:
    grammar = StrategyGrammar(text)
    return [grammar.derive(Draws(key_of(1, k)), ("5m", "1h")) for k in range(count)]


def test_what_comes_along_derives_valid_strategies_within_bounds() -> None:
    bounds = StrategyConstraints(max_indicators=3, max_conditions=4, max_timeframes=2)
    frames = ("5m", "15m", "1h")
    made = list(derive_strategies(60, seed=4, constraints=bounds, timeframes=frames))
    assert [one.name for one in made] == [f"grammar-4-{k:06}" for k in range(60)]
    assert len({strategy_hash(one) for one in made}) == 60
    for one in made:
        assert bounds.fault(strategy_of(one.model_dump(exclude_none=True))) == ""
        assert one.timeframes.primary == "5m"
    fewer = list(derive_strategies(7, seed=4, constraints=bounds, timeframes=frames))
    assert fewer == made[:7]
    other = list(derive_strategies(7, seed=5, constraints=bounds, timeframes=frames))
    assert {strategy_hash(one) for one in other}.isdisjoint(strategy_hash(one) for one in made)


def test_all_that_comes_along_is_derived_sooner_or_later() -> None:
    said = str([one.model_dump() for one in derive_strategies(250, seed=1)])
    words = "sma wma highest lowest williams_r cci mfi macd bbands NOT 'OR' trailing_stop 4h 1d"
    for word in (*words.split(), "take_profit", "time_exit"):
        assert word in said, word


def test_one_of_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.generator.grammar.ATTEMPTS_MAX", 300)
    path = tmp_path / "own.bnf"
    path.write_text(OWN)
    made = list(derive_strategies(6, grammar=StrategyGrammar.load(path), timeframes=["1h"]))
    # Three levels, or not; NOT of NOT is the first again.
    rules = {(one.entry_rules.long.comparison, one.entry_rules.long.value) for one in made}  # type: ignore[union-attr]
    words = ("less_than", "greater_or_equal")
    assert rules == set(itertools.product(words, (10.0, 20.0, 30.0)))
    assert list(derive_strategies(6, grammar=OWN, timeframes=["1h"])) == made
    with pytest.raises(ConfigError, match=r"own.bnf: expected 7 different .* found 6 and none in"):
        list(derive_strategies(7, grammar=StrategyGrammar.load(path), timeframes=["1h"]))


def test_alternatives_and_numbers_by_hand() -> None:
    found = set(
        texts('<strategy> ::= a<b>c | <b>\n<b> ::= "x|" | <3..5> | <0..0.5 step 0.25>', 400)
    )
    # A bar always parts alternatives: within quotes, too.
    names = {'"x', '"', "3", "4", "5", "0.0", "0.25", "0.5"}
    assert found == names | {f"a{one}c" for one in names}
    assert set(texts("<strategy> ::= <-2..-1>", 50)) == {"-2", "-1"}
    assert set(texts("<strategy> ::= <timeframe> | <primary>", 50)) == {'"5m"', '"1h"'}
    assert set(texts("<strategy> ::= <primary>", 20)) == {'"5m"'}
    assert set(texts("<strategy> ::= <timeframe>\n<timeframe> ::= t", 9)) == {"t"}
    assert set(texts("<strategy> ::= x<rest>\n<rest> ::= |", 9)) == {"x"}
    drawn = [one for one in texts("<strategy> ::= a | a | b", 900) if one == "a"]
    assert 540 < len(drawn) < 660, "one that is there twice is twice as likely"


def test_a_grammar_that_calls_itself_ends() -> None:
    left = texts("<strategy> ::= <strategy>+1 | 1", 200)
    assert all(one is not None and one.count("1") <= 26 for one in left)
    assert len(set(left)) > 4
    # Far down it takes what ends soonest; of what grows all over, it gives up.
    wide = texts("<strategy> ::= <strategy><strategy><strategy> | <strategy><strategy> | x", 40)
    assert None in wide
    assert "x" in wide


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<a> ::= x", r"grammar: expected a line <strategy> ::= …, found none"),
        ("", r"expected a line <strategy> ::= …, found none"),
        ("x\n<strategy> ::= y", r"grammar:1: expected <name> ::= …, found 'x'"),
        ("<strategy> ::= y\n<a b> ::= y", r"grammar:2: expected <name> ::= …, found '<a b> ::= y'"),
        ("<strategy> ::= <x>", r"grammar:1: <strategy> has <x>, which is not defined"),
        ("<strategy> ::= y\n\n<strategy> ::= z", r"grammar:3: expected each name once.*line 1"),
        (
            "<strategy> ::= <a>\n<a> ::= <a>x | <b>\n<b> ::= <a>",
            r"grammar:1: <strategy> never ends",
        ),
        ("<strategy> ::= a > b", r"grammar:1: <strategy>: expected names as <name>, found 'a > b'"),
        ("<strategy> ::= <1..>", r"expected a name as <entry>, or numbers as .*, found <1\.\.>"),
        ("<strategy> ::= <5..2>", r"expected from 1 to 1,000,000 numbers .*, found <5\.\.2>"),
        ("<strategy> ::= <1..2 step 0>", r"expected from 1 to 1,000,000 numbers"),
        ("<strategy> ::= <0..9999999>", r"expected from 1 to 1,000,000 numbers"),
    ],
)
def test_a_grammar_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as found:
        StrategyGrammar(text)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "of the last: expected JSON, found none: Expecting property name"),
        ("[1]", r"of the last: expected a mapping, found \[1\]"),
        ('{"entry_rules": {}}', "of the last: .*entry_rules: expected rules for long or short"),
        ('{"a": 1, "a": 2}', "expected each key once, found 'a' twice"),
        (
            RULED.replace("rsi", "rsj"),
            "indicator: there is no indicator 'rsj': did you mean 'rsi'",
        ),
        (
            RULED.replace('"value"', '"timeframe": "2h", "value"'),
            "expected one of the strategy's timeframes",
        ),
    ],
)
def test_a_grammar_that_derives_nothing_valid(
    body: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.generator.grammar.ATTEMPTS_MAX", 20)
    grammar = StrategyGrammar(f"<strategy> ::= {body}")
    with pytest.raises(ConfigError, match=said):
        list(derive_strategies(1, grammar=grammar))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="can't be read"):
        StrategyGrammar.load(tmp_path / "none.bnf")
    (tmp_path / "x.bnf").write_bytes(b"<strategy> ::= \xff")
    with pytest.raises(ConfigError, match=r"x.bnf: expected UTF-8, found none at byte 15"):
        StrategyGrammar.load(tmp_path / "x.bnf")
