"""The strategy ``ml_enhanced_momentum``: momentum that a trained model has to confirm.

It runs in a process of its own as any model does, and loads no compiled code.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge.model import ModelSession, StrategyBase
from tapewire.bridge.model_files import ModelFile, load_model_file, require_model_file
from tapewire.errors import ConfigError

FloatArray = npt.NDArray[np.float64]

#: The column that momentum is measured on; it is sent beside those of ``feature_config``.
PRICE_COLUMN: Final = "mid"
LOOKBACK_MAX: Final = 100_000
#: Values of windows that are laid out beside each other at once.
_WINDOW_VALUES: Final = 1 << 18
_LISTS: Final = ("price_features", "microstructure_features")


class EnhancedMomentum(StrategyBase):
    """Goes with a move that is unusually large, as long as a model expects more of it.

    With ``m`` the mids of an instrument's rows and ``L`` the lookback, a row's momentum is its
    move over ``L`` rows in units of what moves without a direction would come to::

        z = (m[t] - m[t-L]) / sqrt(sum((m[i] - m[i-1])**2 for i in t-L+1 ... t))

    0 where nothing moved, unknown for the first ``L`` rows; rows without a mid are left out. Let
    ``p`` be what the model says of the row: above 0 a rise, below 0 a fall, 0 neither. Then

    - long ends where ``z <= exit_threshold`` or ``p < 0``; short where ``-z <= exit_threshold`` or
      ``p > 0``;
    - flat becomes long where ``z >= entry_threshold`` and ``p > 0``, short where
      ``-z >= entry_threshold`` and ``p < 0``; at once, if the other side has just ended.

    Each row with a known momentum asks for its position, ``position_size`` lots long or short, or
    none; the confidence is the probability that the model gives, if it does.

    Parameters
    ----------
    ml_model_path : str
        An ``.onnx`` file; with `trust_pickle` a pickle.
    lookback_period : int
        Rows, 1 to 100,000.
    entry_threshold, exit_threshold : float
        Of ``z``; the first is above the second, which is at least 0.
    feature_config : mapping, optional
        As `tapewire.features.names_of` reads it: what the model is asked with.
    position_size : int
        Lots.
    trust_pickle : bool
        Load a pickle, which may run any code.

    Raises
    ------
    ConfigError
        If a parameter is not as above, or the model file is refused.
    """

    def __init__(
        self,
        *,
        ml_model_path: str,
        lookback_period: int = 100,
        entry_threshold: float = 2.0,
        exit_threshold: float = 0.5,
        feature_config: Mapping[str, Any] | None = None,
        position_size: int = 1,
        trust_pickle: bool = False,
    ) -> None:
        super().__init__(
            ml_model_path=ml_model_path, lookback_period=lookback_period,
            entry_threshold=entry_threshold, exit_threshold=exit_threshold,
            feature_config=feature_config, position_size=position_size, trust_pickle=trust_pickle,
        )  # fmt: skip
        self._lookback = _whole("lookback_period", lookback_period, LOOKBACK_MAX)
        self._size = _whole("position_size", position_size, 2**31)
        self._entry = _number("entry_threshold", entry_threshold)
        self._exit = _number("exit_threshold", exit_threshold)
        if not 0 <= self._exit < self._entry:
            raise ConfigError(
                "entry_threshold: expected more than exit_threshold, which is at least 0, found "
                f"{entry_threshold} and {exit_threshold}"
            )
        if not isinstance(trust_pickle, bool):
            raise ConfigError(f"trust_pickle: expected true or false, found {trust_pickle!r}")
        if not isinstance(ml_model_path, str):
            raise ConfigError(f"ml_model_path: expected a path, found {ml_model_path!r}")
        self._path, self._trusts = ml_model_path, trust_pickle
        require_model_file(ml_model_path, trust_pickle=trust_pickle)
        self._asks_with_mid = _lists_mid(feature_config)
        self._model: ModelFile
        # Of each instrument: its last mids, oldest first, and the side it is on.
        self._mids: dict[int, FloatArray] = {}
        self._sides: dict[int, int] = {}

    def on_start(self, session: ModelSession) -> None:
        """Load the model, and hold it against the columns that are sent.

        Raises
        ------
        ConfigError, MissingFileError
            If they don't fit, or the file is none.
        """
        if PRICE_COLUMN not in session.columns:
            raise ConfigError(
                f"ml_enhanced_momentum: expected {PRICE_COLUMN!r} among the features sent, found "
                f"{', '.join(session.columns)}"
            )
        asked = [one for one in session.columns if self._asks_with_mid or one != PRICE_COLUMN]
        if not asked:
            raise ConfigError(
                "feature_config: expected at least one feature to ask the model with, found none"
            )
        self._model = load_model_file(self._path, session.columns, asked, trust_pickle=self._trusts)
        self._price = session.columns.index(PRICE_COLUMN)
        self._asked = [session.columns.index(name) for name in self._model.columns]

    def on_features(self, features: npt.NDArray[Any]) -> dict[str, FloatArray]:
        """Return targets, and confidences of a model that gives them, shape (n,) each."""
        mids = np.asarray(features[:, self._price], float)
        said = self._model.predict(np.asarray(features[:, self._asked], float))
        targets = np.full(len(mids), np.nan)
        for instrument in np.unique(self.rows.instrument).tolist():
            rows = np.flatnonzero((self.rows.instrument == instrument) & ~np.isnan(mids))
            momentum = self._momentum(instrument, mids[rows])
            sides = self._go(instrument, momentum, said.direction[rows])
            targets[rows] = np.where(np.isnan(momentum), np.nan, sides * self._size)
        answer = {"target": targets}
        if said.confidence is not None:
            answer["confidence"] = said.confidence
        return answer

    def save(self) -> bytes:
        """Return the mids looked back on and the sides."""
        state = {
            str(key): {"mids": mids.tolist(), "side": self._sides.get(key, 0)}
            for key, mids in self._mids.items()
        }
        return json.dumps({"lookback": self._lookback, "instruments": state}).encode()

    def load(self, state: bytes) -> None:
        """Go on from there.

        Raises
        ------
        ConfigError
            If it was saved with another lookback.
        """
        given = json.loads(state)
        if given["lookback"] != self._lookback:
            raise ConfigError(
                f"lookback_period: expected {given['lookback']}, with which the state was saved, "
                f"found {self._lookback}"
            )
        kept = {int(key): one for key, one in given["instruments"].items()}
        self._mids = {key: np.array(one["mids"], float) for key, one in kept.items()}
        self._sides = {key: int(one["side"]) for key, one in kept.items()}

    def _momentum(self, instrument: int, mids: FloatArray) -> FloatArray:
        """Return z of each of the rows that follow those looked back on, NaN where not known."""
        before = self._mids.get(instrument, np.empty(0))
        line = np.concatenate([before, mids])
        self._mids[instrument] = line[-self._lookback :]
        out = np.full(len(mids), np.nan)
        length = self._lookback
        known = len(line) - length
        if known > 0:
            moved = line[length:] - line[:-length]
            sums = _sums(np.diff(line) ** 2, length)
            quiet = sums == 0
            out[-known:] = np.where(quiet, 0.0, moved / np.sqrt(np.where(quiet, 1.0, sums)))
        return out

    def _go(self, instrument: int, momentum: FloatArray, said: FloatArray) -> FloatArray:
        """The side of each row: 1, 0 or -1."""
        side = self._sides.get(instrument, 0)
        out = np.zeros(len(momentum))
        for k, (z, p) in enumerate(zip(momentum.tolist(), said.tolist(), strict=True)):
            if z == z:  # known
                if side and (z * side <= self._exit or p * side < 0):
                    side = 0
                if not side and abs(z) >= self._entry and p * z > 0:
                    side = 1 if z > 0 else -1
            out[k] = side
        self._sides[instrument] = side
        return out


def _sums(values: FloatArray, length: int) -> FloatArray:
    """Sums of each `length` values that follow each other.

    Every one is summed for itself and in the same order, not moved on from the last: so neither
    where rows are cut nor where they began changes a bit of it.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, length)
    out = np.empty(len(windows))
    step = max(1, _WINDOW_VALUES // length)
    for at in range(0, len(windows), step):
        rows = np.ascontiguousarray(windows[at : at + step])
        np.add.reduce(rows, axis=1, out=out[at : at + step])
    return out


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigError(f"{name}: expected a whole number from 1 to {most:,}, found {value!r}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name}: expected a number, found {value!r}")
    return float(value)


def columns_sent(feature_config: Mapping[str, Any] | None) -> list[str]:
    """Return the features that a run sends it: the mid, then those of its ``feature_config``.

    Without one they are those that ``tapewire features`` writes by default. It is for the run:
    features are compiled code.

    Raises
    ------
    ConfigError
        If a key or a name of it is wrong.
    """
    from tapewire.features import DEFAULT_NAMES, names_of

    names = DEFAULT_NAMES if feature_config is None else names_of(feature_config)
    return list(dict.fromkeys([PRICE_COLUMN, *names]))


def _lists_mid(feature_config: Any) -> bool:
    """Whether the model itself is asked with the mid."""
    if feature_config is None:
        return False
    if not isinstance(feature_config, Mapping):
        raise ConfigError(f"feature_config: expected a mapping, found {feature_config!r}")
    return any(PRICE_COLUMN in (feature_config.get(name) or ()) for name in _LISTS)
