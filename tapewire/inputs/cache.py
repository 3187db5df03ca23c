"""Prepared copies of compressed inputs, kept between runs: ``backtest.replay.cache``.

A compressed input is replayed from a plain DBN file of the same records, which needs no
decompression (`tapewire.replay.convert`); the first run that has it makes that copy. A copy goes by
the content of its input, never by name or date, and is used only while it is what was written.
What the cache can't do is a warning, and the run reads the compressed file.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import xxhash

from tapewire.atomic import AtomicFile, atomic_write
from tapewire.errors import FormatError, InputError, OutputError
from tapewire.inputs.cache_folder import CacheFolder, NotKept, cache_dir, facts_path, note_use
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.convert import PREPARED_VERSION, HashedSink, header_of, write_records
from tapewire.replay.source import Source
from tapewire.wire import FileInfo, FileTotals

#: From this share of its input on, the size of a copy in the making can be told.
_TELLING_SHARE: Final = 1 / 16
_READ_BYTES: Final = 4 << 20
_BYTES_PER_MB: Final = 10**6

#: Starts to show how far something is, from what it is and its size in MB.
Working = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class CachedInput:
    """An input that is replayed from the cache.

    Attributes
    ----------
    original
        The file that the configuration names, as it was opened.
    original_hash
        xxh3_128 of its bytes.
    prepared, prepared_hash
        Its prepared copy, and what the copy's bytes must hash to.
    made
        Whether this run made the copy.
    """

    original: FileInfo
    original_hash: str
    prepared: Path
    prepared_hash: str
    made: bool


@dataclass(frozen=True)
class _Facts:
    """What a copy must be; ``seen``: its status when that was last known to be so."""

    size_bytes: int
    xxh3_128: str
    seen: tuple[int, int, int]

    def save(self, copy: Path) -> None:
        atomic_write(facts_path(copy), json.dumps(dataclasses.asdict(self)))
        note_use(copy)

    @classmethod
    def load(cls, copy: Path) -> "_Facts | None":
        """Read them; None if there are none, or none that can be understood."""
        try:
            body = json.loads(facts_path(copy).read_bytes())
            mtime_ns, ctime_ns, inode = map(int, body["seen"])
            return cls(int(body["size_bytes"]), str(body["xxh3_128"]), (mtime_ns, ctime_ns, inode))
        except (OSError, ValueError, KeyError, TypeError):
            return None


class InputCache:
    """The cache as one run uses it; the copies it uses stay until it is closed.

    Parameters
    ----------
    limit_bytes
        See `CacheFolder`.
    announce
        Told when a copy is about to be made.
    working
        Shows how far that is.

    Attributes
    ----------
    inputs
        What is replayed from the cache, by the name of the copy.
    warnings
        What the cache could not do, and why.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        announce: Callable[[str], None],
        working: Working,
    ) -> None:
        self.inputs: dict[str, CachedInput] = {}
        self.warnings: list[str] = []
        self._folder = CacheFolder(cache_dir() / "inputs", limit_bytes)
        self._announce = announce
        self._working = working
        self._used = contextlib.ExitStack()

    def prepare(self, plan: ReplayPlan) -> ReplayPlan:
        """Return the plan with copies in place of compressed files; make those that are missing.

        Raises
        ------
        InputError, ConfigError
            As `open_source` of the plan itself, before anything that takes long.
        """
        with open_source(plan) as source:
            originals = source.info.files
            # A copy holds its symbols, and goes by the content of the file alone.
            mapped_beside = {h.path for h in source.headers if h.mapped_beside}
        if not any(info.compressed for info in originals):
            return plan
        try:
            self._folder.make()
        except (OSError, NotKept) as why:
            self.warnings.append(
                f"the input cache was not used: {_reason(why, self._folder.path)}; set "
                "TAPEWIRE_CACHE_DIR to another folder, or replay.cache to false"
            )
            return plan
        files = [
            info.name if info.name in mapped_beside else self._replayed(info) for info in originals
        ]
        return dataclasses.replace(plan, files=tuple(files))

    def require_intact(self, totals: Sequence[FileTotals]) -> None:
        """Refuse a run whose copies did not hold what was written into them.

        The replay hashes what it reads, so damage that a file's status does not show is found, too.

        Raises
        ------
        FormatError
            If so; the copy will not be used again.
        """
        for file in totals:
            cached = self.inputs.get(file.name)
            found = file.content_hash
            if cached is None or found is None or found == cached.prepared_hash:
                continue
            with contextlib.suppress(OSError):
                facts_path(cached.prepared).unlink(missing_ok=True)
            raise FormatError(
                f"{cached.prepared}: the cached copy of {cached.original.name} is damaged: "
                f"expected xxh3_128 {cached.prepared_hash}, found {found}; run again, and it is "
                "made again"
            )

    def describe(self) -> list[dict[str, object]]:
        """Say for the manifest which inputs came from the cache."""
        return [
            {"file": c.original.name, "prepared": str(c.prepared), "made": c.made}
            for c in self.inputs.values()
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._used.close()

    # --- one input ------------------------------------------------------------------------------

    def _replayed(self, info: FileInfo) -> str:
        """Return what to replay for an input: its copy, or the file itself."""
        if not info.compressed:
            return info.name
        try:
            cached = self._cached(info)
        except (OSError, OutputError, InputError, NotKept) as why:
            # A damaged input is for the replay to refuse, if it gets to the damage at all.
            reason = _reason(why, self._folder.path)
            self.warnings.append(f"{info.name} was not replayed from the input cache: {reason}")
            return info.name
        if str(cached.prepared) in self.inputs:
            return info.name  # the same content under another name: a file can't be merged twice
        self.inputs[str(cached.prepared)] = cached
        return str(cached.prepared)

    def _cached(self, info: FileInfo) -> CachedInput:
        content = self._hash_of(Path(info.name), "looking at")
        copy = self._folder.path / f"{content}-v{PREPARED_VERSION}.dbn"
        facts = self._find(copy)
        made = False
        if facts is None:
            facts, made = self._make(copy, info, content)
        return CachedInput(info, content, copy, facts.xxh3_128, made)

    def _hash_of(self, path: Path, doing: str) -> str:
        content = xxhash.xxh3_128()
        with path.open("rb", buffering=0) as file:
            total_mb = os.fstat(file.fileno()).st_size // _BYTES_PER_MB
            with self._working(f"{doing} {path.name}, MB", total_mb) as progress:
                done = 0
                while data := file.read(_READ_BYTES):
                    content.update(data)
                    done += len(data)
                    progress(done // _BYTES_PER_MB)
        return content.hexdigest()

    def _find(self, copy: Path) -> _Facts | None:
        """Take a copy into use; None if there is none, or none that is what was written.

        Its bytes are read only where its status (dates of change, inode) is not that of the copy
        as it was written.
        """
        with contextlib.ExitStack() as stack:
            with self._folder.locked():
                file = self._folder.use(copy)
                if file is None:
                    return None
                stack.enter_context(file)
                facts = _Facts.load(copy)
            facts = self._checked(copy, os.fstat(file.fileno()), facts)
            if facts is not None:
                self._used.push(stack.pop_all())
        return facts

    def _checked(self, copy: Path, status: os.stat_result, facts: _Facts | None) -> _Facts | None:
        if facts is None:
            why = "nothing says what it should be"
        elif status.st_size != facts.size_bytes:
            why = f"expected {facts.size_bytes} bytes, found {status.st_size}"
        elif _seen(status) == facts.seen:
            note_use(copy)
            return facts
        else:
            found = self._hash_of(copy, "checking the cached copy")
            if found == facts.xxh3_128:
                facts = dataclasses.replace(facts, seen=_seen(status))
                with contextlib.suppress(OutputError):
                    facts.save(copy)
                return facts
            why = f"expected xxh3_128 {facts.xxh3_128}, found {found}"
        self.warnings.append(f"the cached copy {copy} is damaged ({why}): it was not used")
        return None

    def _make(self, copy: Path, info: FileInfo, content: str) -> tuple[_Facts, bool]:
        """Make the copy of an input and take it into use; say whether the one used is ours."""
        if info.size_bytes > self._folder.limit_bytes:
            raise NotKept(self._folder.too_large(info.size_bytes))
        name = Path(info.name).name
        self._announce(f"preparing {name} for the input cache, first run only …")
        target = self._folder.begin(copy)
        try:
            with (
                open_source(ReplayPlan(files=(info.name,))) as source,
                self._working(f"preparing {name}, MB", info.size_bytes // _BYTES_PER_MB) as shown,
            ):
                sink = _Claiming(self._folder, target, source, info.size_bytes)
                hashed = HashedSink(sink)
                write_records(
                    source, hashed, header_of(source), lambda done: shown(done // _BYTES_PER_MB)
                )
                (totals,) = source.file_totals
            if totals.content_hash != content:
                raise NotKept("it was written to while it was read")
            sink.give_back()
            target.seal()
            with self._folder.locked():
                there = self._made_meanwhile(copy, hashed.hexdigest)
                if there is not None:
                    target.discard()
                    return there, False
                target.publish()
                facts = _Facts(hashed.size, hashed.hexdigest, _seen(copy.stat()))
                facts.save(copy)
                file = self._folder.use(copy)
                if file is None:
                    raise NotKept(f"{copy} is gone")
                self._used.enter_context(file)
        except BaseException:
            target.discard()
            raise
        return facts, True

    def _made_meanwhile(self, copy: Path, xxh3_128: str) -> _Facts | None:
        """Take a copy into use that another run has made since it was looked for.

        It keeps its name: whoever reads it holds this file, and could lose one in its place.
        """
        with contextlib.ExitStack() as stack:
            file = self._folder.use(copy)
            if file is None:
                return None
            stack.enter_context(file)
            facts = _Facts.load(copy)
            is_sound = facts is not None and facts.seen == _seen(os.fstat(file.fileno()))
            if facts is None or not is_sound or facts.xxh3_128 != xxh3_128:
                return None
            self._used.push(stack.pop_all())
        return facts


class _Claiming:
    """Writes into a copy in the making, claiming room for it first."""

    def __init__(
        self, folder: CacheFolder, target: AtomicFile, source: Source, input_bytes: int
    ) -> None:
        self._folder = folder
        self._target = target
        self._source = source
        self._input_bytes = input_bytes
        self._size = 0
        self._claimed = 0

    def write(self, data: memoryview, /) -> int:
        """Write all of ``data``, or raise `NotKept`."""
        end = self._size + len(data)
        if end > self._claimed:
            share = self._source.disk_bytes / self._input_bytes
            expected = end / share if share >= _TELLING_SHARE else 0.0
            self._claimed = self._folder.claim(self._target, end, expected)
        self._target.file.write(data)
        self._size = end
        return len(data)

    def give_back(self) -> None:
        """Cut the file to what was written."""
        self._target.file.flush()
        os.ftruncate(self._target.file.fileno(), self._size)


def _seen(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes when a file is written to, replaced, or copied elsewhere."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _reason(error: Exception, folder: Path) -> str:
    cause = error.__cause__ if isinstance(error, OutputError) else error
    if isinstance(cause, OSError):
        return f"{cause.filename or folder}: {cause.strerror}"
    return str(error)
