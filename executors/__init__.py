"""Tasks on other processes: what is asked, who does it, what came of it.

A task names a function of this installation and plain values for it. An executor gives tasks to
its workers and hands back outcomes as they come; results never depend on which executor it is.
"""

from tapewire.executors.choosing import executor_of
from tapewire.executors.pool import ProcessExecutor
from tapewire.executors.ray_cluster import RayExecutor
from tapewire.executors.serial import SerialExecutor
from tapewire.executors.tasks import Executor, Failure, Outcome, Task, usable_cores

__all__ = [
    "Executor",
    "Failure",
    "Outcome",
    "ProcessExecutor",
    "RayExecutor",
    "SerialExecutor",
    "Task",
    "executor_of",
    "usable_cores",
]
