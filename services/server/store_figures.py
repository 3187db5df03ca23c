"""Figures of the whole store, looked at now and then by one gateway for the page of metrics."""

import asyncio
import datetime as dt
import json
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from tapewire.errors import StoreError
from tapewire.services.server.database import Database
from tapewire.services.server.measures import Measures
from tapewire.store.figures import backtests_ended, figures_of
from tapewire.store.live import live_states

#: Between two looks, s.
LOOK_S: Final = 15.0


async def watch_store(database: Database, measures: Measures, look_s: float = LOOK_S) -> None:
    """Look at it until cancelled; a store that is away is looked at again the next time."""
    place: tuple[dt.datetime, int] | None = None
    log = structlog.get_logger("tapewire.server")
    while True:
        try:
            found = await database.ask("figures", figures_of)
            measures.stored(found.strategies, found.results)
            behind = partial(backtests_ended, after=place)
            place, took_s = await database.ask("jobs_ended", behind)
            for one_s in took_s:
                measures.backtested(one_s)
            measures.live(*_standing(await database.ask("live_states", live_states)))
        except StoreError as error:
            log.warning("figures of the store are not to be had", kind=type(error).__name__)
        await asyncio.sleep(look_s)


def _standing(states: Sequence[str]) -> tuple[int, float]:
    """Return how many positions sessions hold, and what they have made, by their last states.

    Workers of another release may tell neither.
    """
    known = [json.loads(state) for state in states]
    return sum(one.get("positions_open", 0) for one in known), sum(
        one.get("pnl", 0) for one in known
    )
