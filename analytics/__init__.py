"""Collecting a run: exact accounts, metrics, latency histograms, the run folder, its report.

`Collector` takes the simulation's rows and ends in a run folder; `load_run` reads one back.
Importing this room is cheap: pyarrow and jinja2 are loaded where they are first needed.
"""

from tapewire.analytics.collector import Collector
from tapewire.analytics.ledger import Leg
from tapewire.analytics.manifest import REQUIRED_KEYS
from tapewire.analytics.run import Run, load_run
from tapewire.analytics.run_folder import MANIFEST, RUN_FILES
from tapewire.analytics.tables import table_of

__all__ = [
    "MANIFEST",
    "REQUIRED_KEYS",
    "RUN_FILES",
    "Collector",
    "Leg",
    "Run",
    "load_run",
    "table_of",
]
