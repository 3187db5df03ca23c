"""Which versions a result was made with."""

import importlib.metadata
import platform
from typing import Final

#: Packages whose version can change a result or how fast it comes.
_PACKAGES: Final = (
    "tapewire",
    "numpy",
    "numba",
    "pyzmq",
    "databento-dbn",
    "zstandard",
    "pyarrow",
)


def versions() -> dict[str, str]:
    """Return name and version of what a result depends on."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "platform": platform.platform(), **found}
