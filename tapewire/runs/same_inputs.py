"""Whether files are those that a run has read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xxhash

from tapewire.analytics.run_folder import sha256_of
from tapewire.errors import FormatError, MissingFileError, TapewireError

if TYPE_CHECKING:
    from tapewire.analytics import Run

_HASH_BYTES: Final = 1 << 22


def check_inputs(run: "Run") -> str:
    """Make sure that a run's inputs are where they were, as they were; a remark if nobody can know.

    Raises
    ------
    MissingFileError, FormatError
        If one is gone, or is another.
    """
    unknown = False
    for one in run.manifest.get("inputs", []):
        fault = difference(one, Path(one["file"]))
        if fault is not None:
            raise fault
        unknown |= not has_hash(one)
    return "the run has no hashes of its data: nobody knows whether they are the same" * unknown


def has_hash(one: Mapping[str, Any]) -> bool:
    """Whether an input of a manifest says what it holds."""
    return bool(one.get("xxh3_128") or one.get("sha256"))


def difference(one: Mapping[str, Any], path: Path) -> TapewireError | None:
    """Say how a file differs from an input of a manifest; None if it is the same.

    Parameters
    ----------
    one
        The input: ``file``, ``bytes``, and ``xxh3_128`` or ``sha256``; without these two, its size
        is all that is compared.
    path
        Where it is now.
    """
    if not path.is_file():
        return MissingFileError(f"expected {path}, which the run read, found no file")
    if path.stat().st_size != one["bytes"]:
        return FormatError(
            f"expected {path} with {one['bytes']:,} bytes, as the run read it, found "
            f"{path.stat().st_size:,}"
        )
    for kind, hash_of in (("xxh3_128", xxh3_of), ("sha256", sha256_of)):
        there = one.get(kind)
        if there is not None and (found := hash_of(path)) != there:
            return FormatError(
                f"expected {path} with the content that the run read ({kind} {there}), found "
                f"another ({found})"
            )
    return None


def xxh3_of(path: Path) -> str:
    """Return the hex 128-bit XXH3 of a file's bytes."""
    content = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_BYTES):
            content.update(chunk)
    return content.hexdigest()
