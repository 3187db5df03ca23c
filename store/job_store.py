"""A store as the process has it that does a job: what it writes counts while the job is its own."""

from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa

from tapewire.store.claiming import require_attempt
from tapewire.store.job_records import JobEnd
from tapewire.store.records import NewResult, NewStrategy, NewVerdict
from tapewire.store.schema import jobs
from tapewire.store.store import Store


class JobStore(Store):
    """A store for one attempt at a job.

    Every transaction that writes begins with a look at whether the attempt still counts, and holds
    the job's row until its end: who takes the job over finds all of it, or nothing. Results and
    verdicts are kept back until `finish`, in whose transaction the job ends, so that a job that is
    begun again keeps none of them twice. Searches are kept batch by batch, and the job knows which
    it began.
    """

    _job: tuple[int, int] | None = None
    _results: list[NewResult]
    _verdicts: list[NewVerdict]

    @classmethod
    def of_job(cls, url: str, job_id: int, attempt: int) -> Self:
        """Open a store for an attempt at a job; see `Store.open`.

        Raises
        ------
        StoreError
            If it can't be used.
        """
        store = cls.open(url, create=False)
        store._results, store._verdicts = [], []
        store._job = (job_id, attempt)
        return store

    @property
    def job_id(self) -> int:
        """Of the job."""
        assert self._job is not None
        return self._job[0]

    def begin_generation(self, settings: dict[str, Any], dataset_id: int) -> int:
        """Begin a search; the job knows it from then on."""
        with self.writing("begin a search") as connection:
            found = super().begin_generation(settings, dataset_id)
            self._note_generation(connection, found)
            return found

    def save_batch(
        self,
        generation_id: int,
        number: int,
        new_strategies: Sequence[NewStrategy],
        results: Sequence[NewResult],
        *,
        trials: int,
        state: dict[str, Any],
    ) -> None:
        """Keep a batch of a search; the job knows it from then on."""
        with self.writing(f"save batch {number} of search {generation_id}") as connection:
            super().save_batch(
                generation_id, number, new_strategies, results, trials=trials, state=state
            )
            self._note_generation(connection, generation_id)

    def add_results(
        self,
        results: Sequence[NewResult],
        *,
        generation_id: int | None = None,
        trials: int | None = None,
    ) -> list[int]:
        """Keep results back until `finish`; none has an id before."""
        assert generation_id is None or trials is None
        self._results += results
        return []

    def add_verdicts(self, new_verdicts: Sequence[NewVerdict]) -> None:
        """Keep verdicts back until `finish`."""
        self._verdicts += new_verdicts

    def finish(self, result: dict[str, Any]) -> None:
        """Keep what was kept back, and end the job, in one transaction.

        Raises
        ------
        StaleAttemptError
            If somebody else does the job by now; nothing was kept then.
        StoreError
            If something can't be kept.
        """
        assert self._job is not None
        job_id, attempt = self._job
        with self.writing("end a job"):
            if self._results:
                super().add_results(self._results)
            if self._verdicts:
                super().add_verdicts(self._verdicts)
            self.end_job(job_id, attempt, JobEnd("done", result))
        self._results, self._verdicts = [], []

    def _note_generation(self, connection: sa.Connection, generation_id: int) -> None:
        change = jobs.update().where(jobs.c.id == self.job_id)
        connection.execute(change.values(generation_id=generation_id))

    def _admit(self, connection: sa.Connection) -> None:
        if self._job is not None:
            require_attempt(connection, *self._job)
