"""TA-Lib, where it is installed, called so that what it can't take never reaches it."""

from typing import Any

import numpy as np

from tapewire.candles.columns import Floats
from tapewire.errors import ConfigError


def talib_call(name: str, *columns: Floats, **parameters: Any) -> tuple[Floats, ...]:
    """Call a function of TA-Lib.

    Parameters
    ----------
    name
        Its name there, as ``RSI``.
    *columns : float64 (n,)
        n above 0; NaN only at the beginning.
    **parameters
        By TA-Lib's names.

    Returns
    -------
    tuple of float64 (n,)
        An array per output.

    Raises
    ------
    ConfigError
        If TA-Lib is not installed.
    """
    try:
        import talib
    except ImportError as error:
        raise ConfigError(
            f"indicators need TA-Lib (pip install 'tapewire[candles]'): {error}"
        ) from None
    found = getattr(talib, name)(*columns, **parameters)
    return found if isinstance(found, tuple) else (np.asarray(found),)
