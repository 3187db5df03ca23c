"""The store: all that a database of strategies and results can do."""

from tapewire.store.answers import AnswersStore
from tapewire.store.claiming import ClaimingStore
from tapewire.store.jobs import JobsStore
from tapewire.store.live import LiveStore
from tapewire.store.people import PeopleStore
from tapewire.store.reading import ReadingStore
from tapewire.store.recording import WritingStore


class Store(
    WritingStore, ReadingStore, PeopleStore, JobsStore, ClaimingStore, AnswersStore, LiveStore
):
    """A database of strategies, results and the searches that found them.

    Get one by `Store.open`; use it in a ``with``, or `close` it. Every call is a transaction of
    its own, done when it returns; one that raises has done nothing. Within a ``with
    store.writing(…)`` of the same thread, calls are parts of that one. Threads may share a store.
    """
