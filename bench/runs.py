"""Whole runs: what ``tapewire run`` does per second from file to run folder."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.bench.workload import MULTIPLIER, TICK_SIZE, LoadedSession
from tapewire.children import module_command

#: Starts a command and prints its peak memory. A process's peak counts its parent's from before
#: ``exec``, so the parent must be a small one.
_LAUNCHER: Final = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""

#: What runs unless it is said.
MARKET_MAKER: Final = ({"type": "market_maker"},)
#: Two processes also where a run would choose one.
APART: Final = {"transport": "ipc"}
#: Rows of whole runs: name, file, options of the replay; the last says whether the short bench
#: has it too.
_CASES: Final[tuple[tuple[str, str, dict[str, str], bool], ...]] = (
    (".dbn, two processes, shared memory", "raw", APART, True),
    (".dbn, two processes, inline", "raw", {**APART, "payload": "inline"}, False),
    (".dbn, two processes, tcp inline", "raw", {"transport": "tcp", "payload": "inline"}, False),
    (".dbn, one process", "raw", {"transport": "inproc"}, True),
    (".dbn.zst, two processes, shared memory", "compressed", APART, True),
    ("prepared, two processes, shared memory", "prepared", APART, True),
)


@contextmanager
def run_config(
    work: LoadedSession,
    paths: Path | Sequence[Path],
    options: Mapping[str, Any] | None = None,
    strategies: Sequence[Mapping[str, Any]] = MARKET_MAKER,
) -> Iterator[Path]:
    """Write the configuration of a run over one file, or several.

    Parameters
    ----------
    work : LoadedSession
        Whose instruments are played.
    paths : Path or sequence of Path
        The data files.
    options : mapping, optional
        Of ``backtest.replay``: transport, payload, batch_records.
    strategies : sequence of mappings

    Yields
    ------
    Path
        A YAML file, removed afterwards.
    """
    import yaml

    files = [paths] if isinstance(paths, Path) else paths
    facts = {"tick_size": TICK_SIZE / 1e9, "multiplier": MULTIPLIER}
    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(path) for path in files]},
            "replay": dict(options or {}),
            "instruments": {symbol: dict(facts) for symbol in work.instruments.overrides},
        },
        "strategy": [dict(strategy) for strategy in strategies],
    }
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        file = Path(folder) / "bench.yaml"
        file.write_text(yaml.safe_dump(config))
        yield file


def run_once(config: Path) -> tuple[dict[str, Any], float, int]:
    """Do one whole ``tapewire run`` in a process of its own.

    Returns
    -------
    manifest : dict
    wall_s : float
        From its start to its end, s.
    peak_bytes : int
        Its peak memory; the replay process is not part of it.

    Raises
    ------
    SimulationError
        If the run fails.
    """
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        output = Path(folder) / "run"
        command = [*module_command("tapewire"), "run", str(config), "-o", str(output)]
        began_s = time.perf_counter()
        said = run_child([sys.executable, "-I", "-S", "-c", _LAUNCHER, *command])
        wall_s = time.perf_counter() - began_s
        manifest = json.loads((output / "manifest.json").read_text())
    return manifest, wall_s, int(said)


def measured_run(
    group: str,
    name: str,
    work: LoadedSession,
    path: Path,
    runs: int,
    options: Mapping[str, Any] = APART,
    note: str = "",
    strategies: Sequence[Mapping[str, Any]] = MARKET_MAKER,
) -> Row:
    """Whole runs over one file as a row, after one that is not counted."""
    with run_config(work, path, options, strategies) as config:
        run_once(config)
        results = [run_once(config) for _ in range(runs)]
    figures = {
        "start_s": round(min(manifest["setup_s"] for manifest, _, _ in results), 2),
        "peak_mb": round(max(peak for _, _, peak in results) / 1e6),
    }
    seconds = [manifest["elapsed_s"] for manifest, _, _ in results]
    return row_of(group, name, work.events, seconds, note, figures)


def end_to_end_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Whole runs with the market maker: decode, ZeroMQ, book, queue, accounts, strategy, files."""
    files = {"raw": work.raw, "compressed": work.compressed, "prepared": work.prepared[0]}
    for name, kind, options, quick in _CASES:
        if quick or not scale.quick:
            yield measured_run("end to end", name, work, files[kind], scale.runs, options)
