"""Files of a run that a server has: what there is, and a part of one."""

import base64
from pathlib import Path
from typing import Any, Final

from tapewire.analytics import Run
from tapewire.errors import FormatError, MissingFileError
from tapewire.runs.served_result import without_folders

#: Bytes of a part; what is read at a time.
PART_BYTES: Final = 1 << 20
#: Of a file of text, which is read whole: it may name the server's folders anywhere.
TEXT_BYTES_MAX: Final = 64 << 20
_TEXT: Final = (".csv", ".html", ".json", ".md", ".txt", ".yaml")


def run_files(run: Run) -> list[dict[str, Any]]:
    """Return names and sizes (bytes) of a run's files, by name."""
    return [
        {"name": path.name, "size_bytes": path.stat().st_size}
        for path in sorted(run.path.iterdir())
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    ]


def part_of(run: Run, name: str, begin: int, hidden: list[Path | None]) -> dict[str, Any]:
    """Return a part of a file of a run.

    Parameters
    ----------
    run
    name
        As `run_files` has it.
    begin
        Of the part, in bytes.
    hidden
        The server's folders: files in them go by their names there, in files of text.

    Returns
    -------
    dict
        ``data``, Base64 of the kind without ``/``, and ``following``, where the next part begins;
        None: there is none.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FormatError
        If it is a text that is too long to be given.
    """
    names = [one["name"] for one in run_files(run)]
    if name not in names:
        raise MissingFileError(
            f"{run.path.name}: expected one of its files, {', '.join(names)}, found {name[:200]!r}"
        )
    path, following = run.path / name, None
    size = path.stat().st_size
    if path.suffix in _TEXT:
        if size > TEXT_BYTES_MAX:
            raise FormatError(
                f"{name}: expected at most {TEXT_BYTES_MAX:,} bytes of text, found {size:,}"
            )
        data = without_folders(path.read_text(encoding="utf-8"), hidden).encode()
    else:
        with path.open("rb") as file:
            file.seek(begin)
            data = file.read(PART_BYTES)
        following = begin + len(data) if data and begin + len(data) < size else None
    return {"data": base64.urlsafe_b64encode(data).decode(), "following": following}
