"""Figures of the whole store, looked at now and then by one gateway for the page of metrics."""

import asyncio
import datetime as dt
from functools import partial
from typing import Final

import structlog

from tapewire.errors import StoreError
from tapewire.services.server.database import Database
from tapewire.services.server.measures import Measures
from tapewire.store.figures import backtests_ended, figures_of

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
        except StoreError as error:
            log.warning("figures of the store are not to be had", kind=type(error).__name__)
        await asyncio.sleep(look_s)
