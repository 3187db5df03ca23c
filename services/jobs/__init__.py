"""Jobs of a server, done by processes of their own."""

from tapewire.services.jobs.workers import WorkerGroup
from tapewire.services.jobs.working import JobWorker, WorkerSettings

__all__ = ["JobWorker", "WorkerGroup", "WorkerSettings"]
