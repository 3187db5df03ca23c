"""A bundle's run is done again and held against what it was; the first difference is named.

What is looked at, in this order: inputs, versions, configuration, stream, rows, digest. Inputs that
are others make the rest pointless; other versions are told, and fail nothing by themselves.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics import load_run
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, FormatError, MissingFileError
from tapewire.runs.bundled_config import (
    config_here,
    foreign_code,
    raw_config,
    written_difference,
)
from tapewire.runs.bundles import Bundle
from tapewire.runs.same_inputs import difference, has_hash
from tapewire.runs.versions import versions

if TYPE_CHECKING:
    import pyarrow as pa

    from tapewire.analytics import Run
    from tapewire.runs.result import RunResult

#: Tables of rows that are compared, in the order in which a reader wants to know.
_TABLES: Final = ("orders.parquet", "fills.parquet")
_KEYS: Final = ("strategy_id", "client_order_id")


@dataclass
class Verification:
    """What came of verifying.

    Attributes
    ----------
    first
        What differs first: ``input``, ``config``, ``stream``, ``row``, ``digest``; None if
        nothing does.
    told
        Of that, one sentence.
    versions
        Of what has another version here: what it was, what it is.
    expected, found
        Digests; `found` is None where it was not run.
    remarks
        What else is worth knowing.
    """

    first: str | None = None
    told: str = ""
    versions: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    expected: str = ""
    found: str | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether the run came to what it was."""
        return self.first is None

    def as_json(self) -> dict[str, Any]:
        """Everything as it goes into JSON."""
        return {
            "same": self.same,
            "first_difference": self.first,
            "told": self.told,
            "versions": {
                name: {"bundle": was, "here": now} for name, (was, now) in self.versions.items()
            },
            "digest": {"bundle": self.expected, "here": self.found},
            "remarks": self.remarks,
        }


def verify(
    bundle: Bundle,
    run: Callable[[RunConfig], "RunResult"],
    *,
    data: Path | None = None,
    run_code: bool = False,
) -> Verification:
    """Do a bundle's run again, and compare.

    Parameters
    ----------
    bundle
        As it was unpacked.
    run
        Does the run.
    data
        A folder that has inputs which are not where they were, by their names.
    run_code
        Run strategies and models that did not come along with Tapewire. They have all rights of
        who runs them.

    Raises
    ------
    ConfigError
        If it runs such code and `run_code` is not given, or its configuration can't be used.
    MissingFileError
        If an input is nowhere.
    FormatError
        If its manifest is none.
    """
    data = data.absolute() if data is not None else None
    was = load_run(bundle.run)
    manifest = _checked_manifest(was)
    raw = raw_config(bundle)
    if not run_code and (foreign := foreign_code(raw)):
        raise ConfigError(
            f"the bundle runs code of its maker's ({', '.join(foreign)}), with your rights: look "
            "at it (unzip), and give --run-code to run it"
        )
    here = versions()
    done = Verification(
        expected=str(manifest["digest"]),
        versions={
            name: (manifest["versions"].get(name), here.get(name))
            for name in {**manifest["versions"], **here}
            if manifest["versions"].get(name) != here.get(name)
        },
    )
    moved = dict(_inputs(manifest, bundle, data, done))
    if done.first:
        return done
    done.told = written_difference(manifest, raw)
    if not done.told:
        config, done.told = config_here(raw, bundle, manifest, moved, data)
    if done.told:
        done.first = "config"
        return done
    result = run(config)
    done.found = result.digest
    _compare(was, result, done)
    return done


def _checked_manifest(run: "Run") -> dict[str, Any]:
    """Return the manifest of a bundle, which may be anybody's."""
    manifest = run.manifest
    kinds: dict[str, type] = {
        "config": dict, "versions": dict, "inputs": list, "strategy_sources": list,
        "stream": dict, "digest": str, "digests": dict, "status": str,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            raise FormatError(f"{run.path}: expected a manifest with {key!r}, found none")
    for one in (*manifest["inputs"], *manifest["strategy_sources"]):
        if not isinstance(one, dict) or not isinstance(one.get("file"), str):
            raise FormatError(f"{run.path}: expected a manifest that names files, found {one!r}")
    return manifest


def _inputs(
    manifest: Mapping[str, Any], bundle: Bundle, data: Path | None, done: Verification
) -> Iterator[tuple[str, Path]]:
    """Give where each input is that is not where it was; note the first that is another."""
    if manifest["config"]["backtest"]["data_source"].get("type") == "synthetic":
        return  # it is made again
    for one in manifest["inputs"]:
        was = Path(one["file"])
        places = [place for place in (bundle.data.get(one["file"]), was) if place is not None]
        if data is not None:
            places.append(data / was.name)
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise MissingFileError(
                f"expected {was}, which the run read, found no file there"
                + (f", nor one of that name in {data}" if data is not None else "")
                + ("" if data is not None else "; say with --data which folder has its inputs")
            )
        fault = difference(one, there)
        if fault is not None:
            done.first, done.told = "input", str(fault)
            return
        if not has_hash(one):
            done.remarks.append(f"the bundle has no hash of {was.name}: its size is the same")
        if there != was:
            yield one["file"], there


def _compare(was: "Run", now: "Run", done: Verification) -> None:
    before, after = was.manifest["stream"].get("digest"), now.manifest["stream"].get("digest")
    if before != after:
        done.first = "stream"
        done.told = f"expected a stream of records with digest {before}, found {after}"
        return
    if was.manifest["digests"] == now.manifest["digests"] and done.expected == done.found:
        return
    for name in _TABLES:
        if not (was.path / name).is_file():
            done.remarks.append(f"the bundle has no {name}: its rows can't be compared")
            continue
        told = _first_row(_table(was, name), _table(now, name))
        if told:
            done.first, done.told = "row", f"{name}, {told}"
            return
    done.first = "digest"
    done.told = f"expected {done.expected}, found {done.found}, with equal rows"


def _table(run: "Run", name: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(run.path / name)
    except (OSError, pa.ArrowException) as error:
        raise FormatError(f"{run.path / name}: expected Parquet, found {error}") from None


def _first_row(was: "pa.Table", now: "pa.Table") -> str:
    """Say which row differs first, and in which column; nothing if none does."""
    import numpy as np

    rows = min(was.num_rows, now.num_rows)
    first, where = rows, ""
    for name in was.column_names:
        if name not in now.column_names:
            return f"column {name}: expected, found none"
        pair = [_plain(table[name].slice(0, first)) for table in (was, now)]
        if pair[0].equals(pair[1]):
            continue
        differ = np.array([a != b for a, b in zip(*(x.to_pylist() for x in pair), strict=True)])
        if differ.any():
            first, where = int(differ.argmax()), name
    if where:
        there, here = was[where][first].as_py(), now[where][first].as_py()
        whose = ", order ".join(was[key][first].as_py() for key in _KEYS)
        return f"row {first + 1:,} ({whose}), {where}: expected {there}, found {here}"
    if was.num_rows != now.num_rows:
        return f"expected {was.num_rows:,} rows, found {now.num_rows:,}"
    return ""


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column
