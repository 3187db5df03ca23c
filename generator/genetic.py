"""Genetic programming on declared strategies: who asks for fitness tells it back, in generations.

The first generation is drawn at random. Of each later one the fittest stay as they are; each other
place has a child of two parents, each the fittest of a few drawn ones: one node of the mother's
rules becomes a node of the father's, and parts of it change a little. What is drawn for a place
depends on the seed, the generation and the place alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from tapewire.candles.rules import DeclaredStrategy
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError
from tapewire.generator.breeding import RuleMutation, crossed
from tapewire.generator.canonical import Json
from tapewire.generator.constraints import StrategyConstraints
from tapewire.generator.drawing import TIMEFRAMES, Draws, checked_frames, draw_rules
from tapewire.generator.footprints import Evaluated
from tapewire.generator.making import MadeStrategy, made_of
from tapewire.generator.population import (
    Member,
    median_fitness,
    member_of,
    record_of,
    settled,
    tournament,
)

#: Of a saved state.
STATE_FORMAT: Final = 1
POPULATION_MAX: Final = 10_000
GENERATIONS_MAX: Final = 10_000
#: Children that are bred for one place before a strategy is drawn for it.
BREED_ATTEMPTS: Final = 20
#: Strategies that are drawn for one place before it is said that there are no more.
FRESH_ATTEMPTS: Final = 1_000
#: The best of all generations that are kept, whether they are in the last one or not.
BEST_MAX: Final = 100
#: Hexadecimal digits that a known strategy is remembered by: of a million, two are never alike.
_REMEMBERED: Final = 24


@dataclass(frozen=True)
class GeneticSettings:
    """How a genetic search goes on.

    Parameters
    ----------
    population : int
        Strategies of a generation.
    generations : int
        How many, the first one among them.
    tournament : int
        Drawn strategies, of which the fittest is a parent.
    crossover : float
        Probability that a child is mixed of two parents; else it is like one of them.
    mutation : float
        Probability that a part of a child changes, see `tapewire.generator.breeding.RuleMutation`.
    elite : int
        The fittest, which are in the next generation as they are.
    overlap_max : float
        A strategy whose trades overlap those of a fitter one by more than this does not stay; see
        `tapewire.generator.footprints.overlaps`.

    Raises
    ------
    ConfigError
        If one is out of its range.
    """

    population: int = 200
    generations: int = 50
    tournament: int = 3
    crossover: float = 0.9
    mutation: float = 0.1
    elite: int = 5
    overlap_max: float = 0.8

    def __post_init__(self) -> None:
        for name, low, high in (
            ("population", 2, POPULATION_MAX),
            ("generations", 1, GENERATIONS_MAX),
            ("tournament", 1, 100),
            ("elite", 0, self.population - 1),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigError(
                    f"{name}: expected a whole number from {low} to {high:,}, found {value!r}"
                )
        for name in ("crossover", "mutation", "overlap_max"):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not 0 <= value <= 1
            ):
                raise ConfigError(f"{name}: expected a number from 0 to 1, found {value!r}")


@dataclass(frozen=True)
class GenerationSummary:
    """What one generation came to.

    Attributes
    ----------
    generation : int
        From 0.
    evaluated : int
        Strategies whose fitness was asked for; those that stayed from the last one are known.
    best, median : float, optional
        Fitness over the generation, those that stayed from the last one among them; None: nobody
        has any.
    distinct_share : float
        Of the generation, those that stay: none of them overlaps a fitter one beyond the bound.
    mean_overlap : float
        Of each two that trade, before any left.
    """

    generation: int
    evaluated: int
    best: float | None
    median: float | None
    distinct_share: float
    mean_overlap: float


class GeneticSearch:
    """A genetic search: ask for strategies, find out their fitness, tell it.

    All that it knows is in `state`: a search made of that goes on as the one would have that it
    was saved of.

    Parameters
    ----------
    settings
        None: those of `GeneticSettings` as they are.
    seed
        The same one, with the same fitness, gives the same strategies.
    constraints
        What each strategy keeps to.
    timeframes
        The primary one first.

    Attributes
    ----------
    history : list of GenerationSummary
        Of each generation that was told.

    Raises
    ------
    ConfigError
        If a timeframe is none.
    """

    def __init__(
        self,
        settings: GeneticSettings | None = None,
        *,
        seed: int = 0,
        constraints: StrategyConstraints | None = None,
        timeframes: Sequence[str] = TIMEFRAMES,
    ) -> None:
        self.settings = settings or GeneticSettings()
        self.seed = seed
        self.constraints = constraints or StrategyConstraints()
        self.timeframes = checked_frames(timeframes)
        self.history: list[GenerationSummary] = []
        self._members: list[Member] = []
        self._archive: list[Member] = []
        self._known: set[str] = set()
        self._asked: list[MadeStrategy] | None = None

    @property
    def generation(self) -> int:
        """The generation that is asked for next, from 0; as many as were told."""
        return len(self.history)

    @property
    def done(self) -> bool:
        """Whether all generations were told, or no strategy is found that is not known."""
        return not self._asking()

    @property
    def evaluated(self) -> int:
        """How many strategies were told in all."""
        return len(self._known)

    def ask(self) -> list[DeclaredStrategy]:
        """Return the strategies of the generation whose fitness is not known; the same until told.

        None of them was asked for before, and no two are one. They are fewer than the population
        by those that stay, and by those for which nothing new was found; none: the search is done.

        Raises
        ------
        ConfigError
            If the first generation can't be filled within the constraints.
        """
        return [made.strategy for made in self._asking()]

    def _asking(self) -> list[MadeStrategy]:
        if self._asked is None:
            is_last = self.generation >= self.settings.generations
            self._asked = [] if is_last else self._generation()
        return self._asked

    def tell(self, evaluated: Sequence[Evaluated]) -> None:
        """Take what came of the strategies that were asked for, in their order.

        Raises
        ------
        ConfigError
            If there are more or fewer, footprints differ in length, or nothing was asked for.
        """
        asked = self._asking()
        if len(evaluated) != len(asked) or not asked:
            raise ConfigError(
                f"expected what came of {len(asked):,} strategies, found {len(evaluated):,}"
            )
        told = [Member(made, one) for made, one in zip(asked, evaluated, strict=True)]
        there = [*self._members[: self.settings.elite], *told]
        stay, overlap = settled(there, self.settings.overlap_max)
        kept = {one.made.hash: one for one in (*self._archive, *stay)}
        best, _ = settled(list(kept.values()), self.settings.overlap_max)
        summary = GenerationSummary(
            self.generation, len(told), stay[0].fitness, median_fitness(there),
            len(stay) / len(there), overlap,
        )  # fmt: skip
        self._members, self._archive = stay, best[:BEST_MAX]
        self._known.update(made.hash[:_REMEMBERED] for made in asked)
        self.history.append(summary)
        self._asked = None

    def best(self, count: int = 10) -> list[tuple[DeclaredStrategy, Evaluated]]:
        """Return the fittest of all that were told, none of which overlaps a fitter one.

        `BEST_MAX` at the most; those without fitness are left out.
        """
        found = [one for one in self._archive if one.fitness is not None]
        return [(one.made.strategy, one.evaluated) for one in found[:count]]

    def more(self, generations: int) -> None:
        """Have it go on for so many generations more than its settings say.

        Raises
        ------
        ConfigError
            If there are too many then.
        """
        count = self.settings.generations + generations
        self.settings = replace(self.settings, generations=count)
        self._asked = None

    # --- one generation ---------------------------------------------------------------------------

    def _generation(self) -> list[MadeStrategy]:
        elite = self._members[: self.settings.elite]
        taken = {one.made.hash[:_REMEMBERED] for one in elite}
        found: list[MadeStrategy] = []
        for place in range(self.settings.population - len(elite)):
            name = f"genetic-{self.seed}-{self.generation:03}-{place:04}"
            made = next(self._fresh_ones(name, place, taken), None)
            if made is None:
                if not self._members:
                    raise ConfigError(
                        f"population: expected {self.settings.population:,} different strategies "
                        f"within the constraints, found {len(found):,} and none in "
                        f"{FRESH_ATTEMPTS:,} more draws; allow more indicators, conditions or "
                        "timeframes, or ask for fewer"
                    )
                break
            taken.add(made.hash[:_REMEMBERED])
            found.append(made)
        return found

    def _fresh_ones(self, name: str, place: int, taken: set[str]) -> Iterator[MadeStrategy]:
        """Give strategies for a place that are new and keep to the constraints."""
        for rules in self._candidates(place):
            try:
                made = made_of(name, rules)
            except ConfigError:  # mixed of parts that do not go together
                continue
            remembered = made.hash[:_REMEMBERED]
            if remembered in taken or remembered in self._known:
                continue
            if not made.fault(self.constraints):
                yield made

    def _candidates(self, place: int) -> Iterator[Json]:
        frames = {"primary": self.timeframes[0], "secondary": list(self.timeframes[1:])}
        for attempt in range(BREED_ATTEMPTS if self._members else 0):
            yield {**self._child(place, attempt), "timeframes": frames}
        for attempt in range(FRESH_ATTEMPTS):
            drawn = draw_rules(
                self._draws(place, "fresh", attempt), self.constraints, self.timeframes
            )
            if drawn is not None:
                yield drawn

    def _child(self, place: int, attempt: int) -> Json:
        parents, settings = self._draws(place, "parents", attempt), self.settings
        mother, father = (
            tournament(self._members, settings.tournament, parents).made.rules for _ in range(2)
        )
        child = mother
        if parents.chance(settings.crossover):
            child = crossed(mother, father, self._draws(place, "crossover", attempt))
        changes = self._draws(place, "mutation", attempt)
        return RuleMutation(changes, settings.mutation, self.constraints, self.timeframes).of(child)

    def _draws(self, place: int, purpose: str, attempt: int) -> Draws:
        return Draws(key_of(self.seed, "genetic", self.generation, place, purpose, attempt))

    # --- saved ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that the search knows, JSON-ready."""
        kept = {one.made.hash: record_of(one) for one in (*self._archive, *self._members)}
        bounds = replace(self.constraints, allowed_indicators=None)
        return {
            "format": STATE_FORMAT,
            "settings": asdict(self.settings),
            "seed": self.seed,
            "constraints": {**asdict(bounds), "allowed_indicators": list(self.constraints.allowed)},
            "timeframes": list(self.timeframes),
            "history": [asdict(one) for one in self.history],
            "strategies": kept,
            "members": [one.made.hash for one in self._members],
            "archive": [one.made.hash for one in self._archive],
            "known": sorted(self._known),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the search that a state was saved of.

        Raises
        ------
        ConfigError
            If it is no state, or one of another format.
        """
        found = state.get("format")
        if found != STATE_FORMAT:
            raise ConfigError(
                f"state: expected a search's, of format {STATE_FORMAT}, found {found!r}"
            )
        try:
            search = cls(
                GeneticSettings(**state["settings"]),
                seed=state["seed"],
                constraints=StrategyConstraints(**state["constraints"]),
                timeframes=state["timeframes"],
            )
            search.history = [GenerationSummary(**one) for one in state["history"]]
            kept = {key: member_of(one) for key, one in state["strategies"].items()}
            search._members = [kept[key] for key in state["members"]]
            search._archive = [kept[key] for key in state["archive"]]
            search._known = set(state["known"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"state: expected a whole one, as a search gives it, found {type(error).__name__}: "
                f"{error}"
            ) from None
        return search
