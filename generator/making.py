"""One strategy of rules that somebody put together: checked, brought into its form, bounded."""

from dataclasses import dataclass

from tapewire.candles.rules import DeclaredStrategy, strategy_of
from tapewire.candles.rules.plan import plan_of
from tapewire.generator.canonical import Json, rules_hash, rules_of_plan
from tapewire.generator.constraints import StrategyConstraints, parts_of_rules

#: Of all that is made by rule.
VERSION = "1.0"


@dataclass(frozen=True)
class MadeStrategy:
    """Rules in canonical form, and their hash.

    Attributes
    ----------
    name : str
    rules : dict
        See `tapewire.generator.canonical_rules`; not to be changed.
    hash : str
        See `tapewire.generator.strategy_hash`.
    """

    name: str
    rules: Json
    hash: str

    @property
    def strategy(self) -> DeclaredStrategy:
        """The strategy, which `tapewire.candles.declared` trades."""
        # Rules in canonical form are rules of a checked strategy: their types are all there is.
        return DeclaredStrategy.model_validate(
            {"name": self.name, "version": VERSION, **self.rules}
        )

    def fault(self, bounds: StrategyConstraints) -> str:
        """What it has too much of, in words; empty if it keeps to all of it."""
        return bounds.fault_of(parts_of_rules(self.rules))


def made_of(name: str, rules: Json) -> MadeStrategy:
    """Check rules, and bring them into their form.

    Parameters
    ----------
    name
        Of the strategy.
    rules
        Timeframes, entry and exit rules, in any spelling.

    Raises
    ------
    ConfigError
        If they are no strategy; each problem with its path.
    """
    checked = strategy_of({"name": name, "version": VERSION, **rules}, source=name)
    found = rules_of_plan(plan_of(checked, 1.0))
    return MadeStrategy(name, found, rules_hash(found))
