"""What is in a store, looked at: lists, one strategy, a strategy as a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.atomic import atomic_write, require_replaceable
from tapewire.candles.rules import rule_lines
from tapewire.errors import ConfigError, OutputError
from tapewire.factory.keeping import stored_strategy
from tapewire.factory.opening import opened_store
from tapewire.generator.converting import TARGETS, convert
from tapewire.runs.declared import session_of

if TYPE_CHECKING:
    from tapewire.store import Store, StrategyRecord

#: What a strategy may be written as; all but the first are code or text made of it.
FORMS: Final = ("json", *TARGETS)


@dataclass(frozen=True)
class ListedStrategies:
    """A page of a list.

    Attributes
    ----------
    rows : list of dict
        ``id``, ``name``, ``sharpe``, ``return``, ``drawdown``, ``trades``, ``complexity``,
        ``generation``; None where there is no value.
    after : str, optional
        Where the next page begins; None: this is the last.
    """

    rows: list[dict[str, Any]]
    after: str | None


@dataclass(frozen=True)
class ShownStrategy:
    """One strategy, with what is known of it.

    Attributes
    ----------
    id : int
    name, hash, source : str
        The last as JSON.
    rules : list of str
        In words, a line each.
    complexity : float, optional
    generation : int, optional
        The one that found it first.
    results : list of dict
        The latest of each kind and dataset: ``kind``, ``dataset``, ``sharpe``, ``return``,
        ``drawdown``, ``trades``, ``metrics``, ``digest``.
    verdicts : list of dict
        The latest of each check: ``test``, ``passed``, ``sentence``, ``figure``, ``bound``,
        ``generation``.
    """

    id: int
    name: str
    hash: str
    source: str
    rules: list[str]
    complexity: float | None
    generation: int | None
    results: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]

    @property
    def failed(self) -> list[str]:
        """What it failed, in words."""
        return [one["sentence"] for one in self.verdicts if not one["passed"]]


def list_strategies(
    sort: str = "sharpe",
    *,
    ascending: bool = False,
    where: str = "",
    kind: str = "search",
    after: str | None = None,
    limit: int = 20,
    store: str | None = None,
) -> ListedStrategies:
    """Return a page of strategies; see `tapewire.store.Store.strategies`.

    Raises
    ------
    ConfigError, StoreError
        If something typed is wrong, or the store can't be used.
    """
    with opened_store(store) as opened:
        page = opened.strategies(
            sort, descending=not ascending, where=where, kind=kind, after=after, limit=limit
        )
    rows = [
        {
            "id": row.id, "name": row.name, "sharpe": row.sharpe_ratio,
            "return": row.total_return, "drawdown": row.max_drawdown, "trades": row.total_trades,
            "complexity": row.complexity_score, "generation": row.generation_id,
        }
        for row in page.rows
    ]  # fmt: skip
    return ListedStrategies(rows, page.after)


def show_strategy(key: int | str, *, store: str | None = None) -> ShownStrategy:
    """Return a strategy by id, name or the first letters of its hash.

    Raises
    ------
    StoreError
        If there is none, or several.
    """
    with opened_store(store) as opened:
        record = opened.strategy(key)
    return shown(record)


def shown(record: "StrategyRecord") -> ShownStrategy:
    """Return what is shown of a stored strategy."""
    declared = stored_strategy(record.name, record.source_code, record.format)
    latest = {(one.kind, one.dataset_id): one for one in record.results}
    return ShownStrategy(
        record.id, record.name, record.hash, record.source_code,
        rule_lines(declared), record.complexity_score, record.generation_id,
        [
            {
                "kind": one.kind, "dataset": one.dataset, "sharpe": one.sharpe_ratio,
                "return": one.total_return, "drawdown": one.max_drawdown,
                "trades": one.total_trades, "metrics": one.metrics, "digest": one.digest,
            }
            for one in latest.values()
        ],
        [
            {
                "test": one.test, "passed": one.passed, "sentence": one.sentence,
                "figure": one.figure, "bound": one.bound, "generation": one.generation_id,
            }
            for one in record.verdicts
        ],
    )  # fmt: skip


def exported(
    key: int | str, form: str = "json", *, session: str | None = None, store: str | None = None
) -> str:
    """Return a strategy as a file has it: JSON, code of one of three kinds, or text.

    Parameters
    ----------
    key
        See `show_strategy`.
    form
        One of `FORMS`.
    session
        When sessions begin, of which longer bars of code are counted; see
        `tapewire.runs.declared.session_of`. None: as on the bars that it was found on, where a
        search did; else at midnight, UTC.
    store
        Where it is.

    Raises
    ------
    ConfigError
        If there is no such form.
    StoreError
        If there is no such strategy.
    """
    require_form(form)
    with opened_store(store) as opened:
        record = opened.strategy(key)
        if session is None and record.generation_id is not None:
            session = session_of_search(opened, record.generation_id)
    return as_file(record.name, record.source_code, record.format, form, session=session)


def session_of_search(store: "Store", generation_id: int) -> str | None:
    """Return when sessions begin on a search's bars, as it was typed; None: at midnight, UTC.

    Raises
    ------
    StoreError
        If there is no such search.
    """
    description = store.dataset(store.generation(generation_id).dataset_id).description
    session: str | None = description.get("read", {}).get("session")
    return session


def require_form(form: str) -> None:
    """Refuse a form that a strategy can't be written in.

    Raises
    ------
    ConfigError
        Naming those that there are.
    """
    if form not in FORMS:
        raise ConfigError(f"as: expected one of {', '.join(FORMS)}, found {form!r}")


def as_file(name: str, source: str, kept_as: str, form: str, *, session: str | None = None) -> str:
    """Return a strategy, of what a store has of it, as a file has it; see `exported`."""
    declared = stored_strategy(name, source, kept_as)
    if form == "json":
        return declared.model_dump_json(indent=2, exclude_none=True) + "\n"
    return convert(declared, form, clock=session_of(session))


def publish_text(path: Path, text: str, *, force: bool) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OutputError
        If it is there (without ``force``), or can't be written.
    """
    require_free(path, force=force)
    atomic_write(path, text)


def require_free(path: Path, *, force: bool) -> None:
    """Refuse a name that can't be written to, before anything is worked out for it.

    Raises
    ------
    OutputError
        If there is a file (without ``force``), something else, or no folder.
    """
    require_replaceable(path)
    if path.exists() and not force:
        raise OutputError(f"{path}: there is a file already; choose another name, or --force")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: expected a folder {path.parent}, found none")
