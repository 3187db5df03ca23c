"""DBN files: their header, and their records read as they lie, without conversion.

The format is told by the first bytes, not by the name. Uncompressed records go from the file
straight into the caller's memory, compressed ones are decompressed straight into it.
"""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from databento_dbn import Metadata

from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError
from tapewire.market.records import (
    ACTIONS,
    F_MBP,
    F_SNAPSHOT,
    MBO_DTYPE,
    RECORD_BYTES,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
)
from tapewire.replay._kernels import KNOWN_ACTIONS
from tapewire.replay.byte_sources import (
    ByteSource,
    PlainBytes,
    TruncatedFrame,
    open_file,
)
from tapewire.replay.dbn_counts import require_true_counts
from tapewire.replay.dbn_refusals import decode_metadata, no_dbn, require_plausible, require_schema
from tapewire.replay.dbz import DBZ_PREFIX, DBZ_VERSION, dbz_metadata
from tapewire.replay.levels import CONSOLIDATED, LevelBytes
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS
from tapewire.replay.mixed import MixedBytes, mbo_metadata, recorded_mappings
from tapewire.replay.symbology import with_symbology
from tapewire.replay.zstd_frames import MAGIC as ZSTD_MAGIC
from tapewire.replay.zstd_frames import is_skippable_magic, walk_file
from tapewire.replay.zstd_parallel import open_zstd
from tapewire.wire import SymbolMapping
from tapewire.wire.messages import MAPPINGS_MAX

SUPPORTED_VERSIONS: Final = (1, 2, 3)
#: Enough for a million mappings; an untrusted header may claim 4 GiB.
METADATA_BYTES_MAX: Final = 192 << 20
#: A header of this size may come out of any compressed file (70,000 mappings do); a larger one
#: only out of a file that could hold it: symbols padded with zeros pack about twentyfold.
_PACKED_METADATA_BYTES: Final = 16 << 20
_METADATA_PACKING_MAX: Final = 200
#: Magic, version and the length of the rest.
_PRELUDE_BYTES: Final = 8
_STEP_BYTES: Final = 1 << 20
#: Compressed files up to this size are walked for truncation before anything is sent.
_WALK_BYTES_MAX: Final = 256 << 20
_EPOCH: Final = datetime.date(1970, 1, 1)
_TS_MAX: Final = 2**63 - 1


@dataclass(frozen=True)
class DbnHeader:
    """What a DBN file says about itself, checked to be MBO.

    Attributes
    ----------
    header_bytes
        Where the records begin (uncompressed offset).
    start_ns, end_ns
        The range the file was made for, ns since the epoch; 0 where it does not say.
    first_ts_recv
        ``ts_recv`` of the first record (ns, signed), or None in a file without records.
    mapped_beside
        Whether `metadata` and `mappings` have the symbols of the ``symbology.json`` beside it.
    allow_truncated
        Whether it is to be read as far as it is whole.
    made_of
        The schema of levels whose records are told as those of orders; empty: it is MBO.
    consolidated
        Whether its books are of all publishers together, and have the publisher 0.
    """

    path: str
    size_bytes: int
    version: int
    compressed: bool
    header_bytes: int
    dataset: str
    start_ns: int
    end_ns: int
    mappings: tuple[SymbolMapping, ...]
    first_ts_recv: int | None
    records: int | None
    metadata: Metadata
    begins_with_snapshot: bool
    mapped_beside: bool = False
    allow_truncated: bool = False
    made_of: str = ""
    consolidated: bool = False


class DbnFile:
    """An open DBN file of records of one schema: of MBO records, where nothing else is said.

    Parameters
    ----------
    path
        The file, as the user named it; it appears so in messages.
    schema, record_bytes
        What it must hold, and the size of a record, or its sizes by DBN version; schema None: only
        its header is to be read.
    allow_truncated
        Where its records end too soon, what is whole of them is all of them; `truncated` then says
        in words what is missing.
    threads
        How many may decompress a file of several frames.

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    FormatError
        If it is not a DBN file of such records, or truncated within its header.
    """

    def __init__(
        self,
        path: str,
        *,
        schema: str | None = "mbo",
        record_bytes: int | Mapping[int, int] = RECORD_BYTES,
        allow_truncated: bool = False,
        threads: int = 1,
    ) -> None:
        self.path = path
        self.truncated = ""
        self._allow_truncated = allow_truncated
        self._schema, self._record_sizes = schema, record_bytes
        fd, self.size_bytes = open_file(path)
        head = os.pread(fd, 12, 0)
        self.compressed = head[:4] == ZSTD_MAGIC or is_skippable_magic(head)
        self._bytes: ByteSource
        self.records_read = 0
        self.at_end = False
        try:
            require_plausible(path, head)
        except FormatError:
            os.close(fd)
            raise
        if self.compressed:
            self._bytes = open_zstd(path, fd, self.size_bytes, threads=threads)
        else:
            self._bytes = PlainBytes(path, fd)
        self._mixed: MixedBytes | None = None
        self._made_of = ""
        try:
            if head[8:11] == DBZ_PREFIX and self.compressed:
                self.version, self.header_bytes = DBZ_VERSION, 0
                self.metadata = dbz_metadata(path, fd, self.size_bytes)
                self._require_schema()
            else:
                self.version, self.header_bytes, self.metadata = self._read_header()
        except BaseException:
            self._bytes.close()
            raise

    def _exactly(self, size: int, what: str) -> bytearray:
        data = bytearray()
        while len(data) < size:
            step = bytearray(min(size - len(data), _STEP_BYTES))
            try:
                count = self._bytes.readinto(memoryview(step))
            except TruncatedFrame as error:
                count = error.filled
            data += step[:count]
            if count < len(step):
                raise FormatError(
                    f"{self.path}: ends inside its {what}: expected {size} bytes, found "
                    f"{len(data)}: the file is truncated"
                )
        return data

    def _read_header(self) -> tuple[int, int, Metadata]:
        prelude = bytes(self._exactly(_PRELUDE_BYTES, "DBN header"))
        if prelude[:3] != b"DBN":
            raise FormatError(no_dbn(self.path, prelude))
        version = prelude[3]
        if version not in SUPPORTED_VERSIONS:
            raise FormatError(f"{self.path}: is DBN version {version}; expected version 1, 2 or 3")
        length = int.from_bytes(prelude[4:], "little")
        allowed = self._header_bytes_max()
        if length > allowed:
            raise FormatError(
                f"{self.path}: its header claims {length} bytes; at most {allowed} are allowed in "
                f"a file of {self.size_bytes} bytes: the file is corrupt or truncated"
            )
        header = prelude + bytes(self._exactly(length, "DBN header"))
        # Before the decoder, which reserves memory for whatever is claimed.
        require_true_counts(self.path, header, version)
        self.version, self.metadata = version, decode_metadata(self.path, header)
        self._require_schema()
        return version, len(header), self.metadata

    def _require_schema(self) -> None:
        """Check that the records are what is asked for, or have these among others."""
        sizes, metadata = self._record_sizes, self.metadata
        self._record_bytes = sizes if isinstance(sizes, int) else sizes.get(self.version, 0)
        if self._schema is None:
            return
        is_mbo = metadata.schema is not None and str(metadata.schema) == "mbo"
        if self._schema == "mbo" and (metadata.schema is None or (is_mbo and metadata.ts_out)):
            self._mixed = MixedBytes(self.path, self._bytes, ts_out=metadata.ts_out)
            self._bytes = self._mixed
            return
        given = str(metadata.schema)
        if self._schema == "mbo" and given in LEVEL_SCHEMAS and not metadata.ts_out:
            self._made_of = given
            self._bytes = LevelBytes(self.path, self._bytes, given)
            return
        if not self._record_bytes:
            raise FormatError(
                f"{self.path}: is a legacy DBZ file of schema {metadata.schema}; expected DBN "
                "there: download it again"
            )
        require_schema(self.path, metadata, self._schema, self._record_bytes)

    @property
    def is_mixed(self) -> bool:
        """Whether other records lie between those that are given, or more than they behind each."""
        return self._mixed is not None

    @property
    def made_of(self) -> str:
        """The schema whose records are told as those of orders, as ``mbp-10``; empty: none is."""
        return self._made_of

    @property
    def lies_open(self) -> bool:
        """Whether records lie in the file as they are given: one behind the other."""
        return not self.is_mixed and not self._made_of

    @property
    def left_out(self) -> str:
        """Records of other schemas met so far, in words."""
        return self._mixed.left_out() if self._mixed is not None else ""

    def recorded_mappings(self) -> tuple[SymbolMapping, ...]:
        """Return the symbols that records of a mixed file say, which is read for it."""
        return recorded_mappings(self._bytes)

    @property
    def raw(self) -> ByteSource:
        """The bytes behind the header, for who opened it with schema None."""
        assert self._schema is None
        return self._bytes

    def _header_bytes_max(self) -> int:
        if not self.compressed:
            return min(METADATA_BYTES_MAX, max(0, self.size_bytes - _PRELUDE_BYTES))
        packed = max(_PACKED_METADATA_BYTES, _METADATA_PACKING_MAX * self.size_bytes)
        return min(METADATA_BYTES_MAX, packed)

    def read_into(self, out: np.ndarray) -> int:
        """Read records as they lie in the file; their content is not checked here.

        Parameters
        ----------
        out
            Of the schema's dtype (``MBO_DTYPE`` or its kernel twin), contiguous; filled from its
            beginning.

        Returns
        -------
        int
            Records read; fewer than ``len(out)`` only at the end of the file.

        Raises
        ------
        FormatError
            If the file is corrupt or ends inside a record or a zstd frame.
        """
        if self.at_end or not len(out):
            return 0
        view = out.view(np.uint8).data
        truncated: TruncatedFrame | None = None
        try:
            filled = self._bytes.readinto(view)
        except TruncatedFrame as error:
            truncated, filled = error, error.filled
        except FormatError as error:
            raise FormatError(
                f"{error} (at least {self.records_read} good records before it)"
            ) from None
        count, rest = divmod(filled, self._record_bytes)
        self.records_read += count
        if truncated is not None and truncated.frame_offset is None:
            self._end_early(
                f"{self.path}: ends inside a record, {truncated.offset} bytes behind its header"
                f"{self._offset_note()}, after {self.records_read} good MBO records: the file is "
                "truncated, fetch it again"
            )
        elif truncated is not None:
            self._end_early(
                f"{self.path}: ends at byte offset {truncated.offset}, inside the zstd frame that "
                f"begins at {truncated.frame_offset}, after {self.records_read} good records: the "
                "file is truncated, fetch it again"
            )
        elif rest:
            self._end_early(
                f"{self.path}: ends inside record {self.records_read} at byte offset "
                f"{self.offset_of(self.records_read)}{self._offset_note()}: expected "
                f"{self._record_bytes} bytes, found {rest}, after {self.records_read} good "
                "records: the file is truncated, fetch it again"
            )
        self.at_end = bool(self.truncated) or count < len(out)
        if self.at_end and self.compressed and not self.truncated:
            self._note_shortened()
        elif self.at_end and not self.compressed and self.lies_open:
            self._require_unchanged()
        return count

    def _end_early(self, why: str) -> None:
        """Note that the file is truncated, or raise it."""
        if not self._allow_truncated:
            raise FormatError(f"{why}, or play what is whole with --allow-truncated")
        self.truncated = why

    def _note_shortened(self) -> None:
        """Threads read ahead: where a file was cut below, nothing looks like the middle of it."""
        if self.disk_bytes < self.size_bytes:
            self._end_early(
                f"{self.path}: ends at byte offset {self.disk_bytes}, after {self.records_read} "
                f"good records; it held {self.size_bytes} bytes when it was opened: it was "
                "truncated during the replay, fetch it again"
            )

    def _require_unchanged(self) -> None:
        expected = (self.size_bytes - self.header_bytes) // self._record_bytes
        if self.records_read != expected:
            raise FormatError(
                f"{self.path}: held {expected} records when it was opened, now "
                f"{self.records_read}: it was truncated or written to during the replay"
            )

    def offset_of(self, record: int) -> int:
        """Return the byte offset of a record (in the decompressed data of a compressed file)."""
        return self.header_bytes + record * self._record_bytes

    def place_of(self, record: int) -> str:
        """Return in words where a record lies, as this file gives them."""
        if not self.lies_open:
            return f"{self.path}: MBO record {record}"
        note = self._offset_note()
        return f"{self.path}: record {record} at byte offset {self.offset_of(record)}{note}"

    def _offset_note(self) -> str:
        return " of the decompressed data" if self.compressed else ""

    def require_mbo(self, records: np.ndarray) -> None:
        """Check the records that were read last, ``MBO_DTYPE``, shape (n,).

        Raises
        ------
        FormatError
            If one is no MBO record, or has an unknown action.
        """
        wrong = (
            (records["rtype"] != RTYPE_MBO)
            | (records["length"] != RECORD_LENGTH_WORDS)
            | (KNOWN_ACTIONS[records["action"]] == 0)
        )
        if wrong.any():
            bad = int(wrong.argmax())
            raise self.bad_record(self.records_read - len(records) + bad, records[bad])

    def bad_record(self, record: int, found: np.void) -> FormatError:
        """Return the error for a record that is no MBO record, or has an unknown action."""
        where = self.place_of(record)
        length, rtype, action = (int(found[name]) for name in ("length", "rtype", "action"))
        if (length, rtype) != (RECORD_LENGTH_WORDS, RTYPE_MBO):
            return FormatError(
                f"{where}: expected an MBO record (rtype 0xa0, 56 bytes), found rtype "
                f"{rtype:#04x}, {length * 4} bytes: the file is corrupt or mixes schemas"
            )
        return FormatError(
            f"{where}: expected an action of {', '.join(map(chr, ACTIONS))}, found "
            f"{bytes([action])!r}: the file is corrupt, fetch it again"
        )

    @property
    def content_hash(self) -> str | None:
        """xxh3_128 of the file's bytes on disk, once it was read to its end."""
        return self._bytes.content_hash() if self.at_end else None

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far, compressed as they lie there."""
        return self._bytes.disk_bytes

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def inspect(path: str, *, allow_truncated: bool = False) -> DbnHeader:
    """Open a file, check what can be checked without reading it all, and close it.

    That is: that it can be read, its format, version and schema, the first record, and its
    length, unless it may be too short: of compressed files up to 256 MiB by their block headers.

    Raises
    ------
    MissingFileError, FormatError
        As :class:`DbnFile`; FormatError also if the file is truncated.
    """
    with DbnFile(path, allow_truncated=allow_truncated) as file:
        metadata, mappings = file.metadata, symbol_mappings(path, file.metadata)
        if file.is_mixed:
            if not mappings:
                with DbnFile(path, schema=None) as again:
                    mappings = again.recorded_mappings()
            metadata = mbo_metadata(metadata, mappings)
        elif file.made_of:
            metadata = mbo_metadata(metadata, mappings)
        beside = with_symbology(path, metadata) if not mappings else None
        if beside is not None:
            metadata, mappings = beside, symbol_mappings(path, beside)
        known = not file.compressed and file.lies_open
        records = _plain_records(file, allow_truncated) if known else None
        first = np.empty(1, MBO_DTYPE)
        found = file.read_into(first)
        if file.compressed and file.size_bytes <= _WALK_BYTES_MAX and not allow_truncated:
            _require_whole(file)
        file.require_mbo(first[:found])
        if file.metadata.schema is None and not found:
            raise FormatError(
                f"{path}: expected MBO records, found none: {file.left_out or 'it has no records'}"
            )
        return DbnHeader(
            path=path,
            size_bytes=file.size_bytes,
            version=file.version,
            compressed=file.compressed,
            header_bytes=file.header_bytes,
            dataset=str(file.metadata.dataset),
            start_ns=_known_ts(file.metadata.start),
            end_ns=_known_ts(file.metadata.end),
            mappings=mappings,
            first_ts_recv=int(first["ts_recv"].view(np.int64)[0]) if found else None,
            # Of levels each book begins with its own first record, whenever that comes.
            begins_with_snapshot=bool(
                found and first["flags"][0] & F_SNAPSHOT and not first["flags"][0] & F_MBP
            ),
            records=records,
            metadata=metadata,
            mapped_beside=beside is not None,
            made_of=file.made_of,
            # Those of a file that was converted from a consolidated one, too.
            consolidated=bool(found and first["publisher_id"][0] == 0)
            or file.made_of in CONSOLIDATED,
            allow_truncated=allow_truncated,
        )


def _plain_records(file: DbnFile, allow_truncated: bool) -> int:
    count, rest = divmod(file.size_bytes - file.header_bytes, RECORD_BYTES)
    if rest and not allow_truncated:
        raise FormatError(
            f"{file.path}: ends inside record {count} at byte offset {file.offset_of(count)}: "
            f"expected {RECORD_BYTES} bytes, found {rest}, after {count} good records: the file is "
            "truncated, fetch it again, or play what is whole with --allow-truncated"
        )
    return count


def _require_whole(file: DbnFile) -> None:
    """Walk the frames of a compressed file; if it is truncated, read it to say where."""
    fd, size = open_file(file.path)
    try:
        walker = walk_file(fd, size)
    finally:
        os.close(fd)
    # Broken: the decompressor names the place better. Too many blocks: reading will tell.
    if walker.whole or walker.broken or walker.too_many:
        return
    chunk = np.empty(16_384, MBO_DTYPE)
    while file.read_into(chunk):
        pass
    raise FormatError(f"{file.path}: ends inside a zstd frame: the file is truncated")


def _known_ts(value: int | None) -> int:
    return value if value is not None and 0 < value <= _TS_MAX else 0


def symbol_mappings(path: str, metadata: Metadata) -> tuple[SymbolMapping, ...]:
    """Return the symbols of a file with their instrument ids and date ranges, sorted.

    Raises
    ------
    FormatError
        If there are more than a million of them, or they can't be read.
    """
    to_id = str(metadata.stype_out) == "instrument_id"
    from_id = str(metadata.stype_in) == "instrument_id"
    if not to_id and not from_id:
        return ()
    result: list[SymbolMapping] = []
    try:
        for symbol, intervals in metadata.mappings.items():
            for interval in intervals:
                other = interval["symbol"]
                if not other:  # resolved to nothing in this range
                    continue
                name, number = (symbol, other) if to_id else (other, symbol)
                result.append(
                    SymbolMapping(
                        name,
                        int(number),
                        _midnight_ns(interval["start_date"]),
                        _midnight_ns(interval["end_date"]),
                    )
                )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise FormatError(f"{path}: its symbol mappings are corrupt: {str(error)[:200]}") from None
    if len(result) > MAPPINGS_MAX:
        raise FormatError(f"{path}: has {len(result)} symbol mappings; at most {MAPPINGS_MAX}")
    return tuple(sorted(set(result)))


def _midnight_ns(date: datetime.date) -> int:
    return max(0, min(_TS_MAX, (date - _EPOCH).days * NS_PER_DAY))
