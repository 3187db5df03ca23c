"""Files of trained models: what is taken, what is refused, and what they say of rows.

ONNX is the format: a file of it computes and does nothing else. A pickle may run any code as it is
loaded, so it has to be trusted in so many words.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError, MissingFileError, SimulationError

FloatArray = npt.NDArray[np.float64]

#: Key of an ONNX file's metadata that names the columns it was trained on, as a JSON list.
COLUMNS_KEY: Final = "tapewire_columns"
#: Rows that a model is asked about at once, the last ones filled up. Products of matrices may
#: differ in the last bit by the number of rows; so that number is always the same.
BLOCK_ROWS: Final = 16
_PICKLES: Final = (".pkl", ".pickle", ".joblib")
_DTYPES: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64}
#: What classes may be, and where each of them points.
_CLASSES: Final = ((0, 1), (-1, 1), (-1, 0, 1))


class Predicted(NamedTuple):
    """What a model says of rows.

    Attributes
    ----------
    direction : (n,) float64
        Above 0 where it expects a rise, below 0 a fall; 0 neither, or nothing is known.
    confidence : (n,) float64 or None
        Probability of the class; None of a regression.
    """

    direction: FloatArray
    confidence: FloatArray | None


@dataclass(frozen=True)
class ModelFile:
    """A model that was loaded and tried.

    Attributes
    ----------
    path : str
    columns : tuple of str
        What it is asked with, in this order.
    kind : str
        ``regression``, or ``2 classes``, ``3 classes``.
    """

    path: str
    columns: tuple[str, ...]
    kind: str
    _block: int
    _run: Callable[[FloatArray], list[npt.NDArray[Any]]]
    _read: Callable[[list[npt.NDArray[Any]]], Predicted]

    def predict(self, rows: FloatArray) -> Predicted:
        """Ask about rows, shape (n, columns); where one of a row's is NaN, nothing is known.

        Raises
        ------
        SimulationError
            If the model's answer is no finite number.
        """
        asked = np.flatnonzero(~np.isnan(rows).any(axis=1))
        direction = np.zeros(len(rows))
        confidence = None if self.kind == "regression" else np.zeros(len(rows))
        blocks = []
        for at in range(0, len(asked), self._block):
            part = asked[at : at + self._block]
            block = np.zeros((self._block, len(self.columns)))
            block[: len(part)] = rows[part]
            blocks.append([out[: len(part)] for out in self._run(block)])
        if blocks:
            given = self._read([np.concatenate(outs) for outs in zip(*blocks, strict=True)])
            direction[asked] = given.direction
            if confidence is not None:
                confidence[asked] = given.confidence
        wrong = np.flatnonzero(~np.isfinite(direction))
        if wrong.size:
            raise SimulationError(
                f"{self.path}: expected finite predictions, found {direction[wrong[0]]} for the "
                f"features {rows[wrong[0]].tolist()}"
            )
        return Predicted(direction, confidence)


def require_model_file(path: str, *, trust_pickle: bool) -> str:
    """Check a model file's name, and that it is there; return its suffix.

    Raises
    ------
    ConfigError
        If it is a pickle that is not trusted, or neither ONNX nor a pickle.
    MissingFileError
        If there is no such file.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _PICKLES and not trust_pickle:
        raise ConfigError(
            f"ml_model_path: {path} is a pickle, which may run any code as it is loaded: export "
            "the model to ONNX (docs/models.md shows how), or write trust_pickle: true if you "
            "know who made it"
        )
    if suffix not in (".onnx", *_PICKLES):
        raise ConfigError(
            f"ml_model_path: expected a file that ends in .onnx (or, with trust_pickle: true, "
            f"{', '.join(_PICKLES)}), found {path}"
        )
    if not Path(path).is_file():
        raise MissingFileError(
            f"ml_model_path: expected a model file, found none at {path} (in {Path.cwd()}): "
            "train one, as docs/models.md shows"
        )
    return suffix


def load_model_file(
    path: str, sent: Sequence[str], expected: Sequence[str], *, trust_pickle: bool = False
) -> ModelFile:
    """Load a model and try it on a row of zeros.

    Parameters
    ----------
    sent
        All columns there are.
    expected
        Those that the model is asked with, in order, unless the file names its own.

    Raises
    ------
    ConfigError
        If the file is none that is taken, or its input or output is not what it should be.
    MissingFileError
        If there is no such file.
    """
    suffix = require_model_file(path, trust_pickle=trust_pickle)
    load = _load_onnx if suffix == ".onnx" else _load_pickle
    return load(path, tuple(sent), tuple(expected))


def _columns_of(
    path: str, named: Sequence[str] | None, wanted: int | None, sent: Sequence[str],
    expected: Sequence[str],
) -> tuple[str, ...]:  # fmt: skip
    """The columns that a model is asked with: those it names, else those expected."""
    columns = tuple(named) if named is not None else tuple(expected)
    missing = [name for name in columns if name not in sent]
    if missing:
        raise ConfigError(
            f"{path}: the model was trained on {', '.join(columns)}, but {', '.join(missing)} "
            f"is not among the features sent ({', '.join(sent)}): name it in feature_config"
        )
    if wanted is not None and wanted != len(columns):
        raise ConfigError(
            f"{path}: the model takes {wanted} columns, the features are {len(columns)} "
            f"({', '.join(columns)}): name those it was trained on in feature_config"
        )
    return columns


def _load_onnx(path: str, sent: tuple[str, ...], expected: tuple[str, ...]) -> ModelFile:
    try:
        import onnxruntime as ort
    except ModuleNotFoundError:
        raise ConfigError(
            f"{path}: expected the package onnxruntime, found none: pip install 'tapewire[ml]'"
        ) from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong is raised
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own have no common class
        first = str(error).split("\n", 1)[0]
        raise ConfigError(f"{path}: expected an ONNX model, found otherwise: {first}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type not in _DTYPES or len(inputs[0].shape) != 2:
        found = "; ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise ConfigError(
            f"{path}: expected one input, tensor(float) or tensor(double) of shape "
            f"(rows, columns), found {found}"
        )
    maps = [one.name for one in outputs if not one.type.startswith("tensor(")]
    if maps:
        raise ConfigError(
            f"{path}: expected tensors as outputs, found {', '.join(maps)} of another kind: "
            "export the classifier with options={'zipmap': False}"
        )
    rows, width = inputs[0].shape
    named = session.get_modelmeta().custom_metadata_map.get(COLUMNS_KEY)
    columns = _columns_of(
        path, _named_in(path, named), width if isinstance(width, int) else None, sent, expected
    )
    name, dtype = inputs[0].name, _DTYPES[inputs[0].type]
    block = rows if isinstance(rows, int) else BLOCK_ROWS

    def run(values: FloatArray) -> list[npt.NDArray[Any]]:
        try:
            return [np.asarray(out) for out in session.run(None, {name: values.astype(dtype)})]
        except Exception as error:
            first = str(error).split("\n", 1)[0]
            raise ConfigError(
                f"{path}: the model failed on {values.shape[0]} rows of {len(columns)} columns: "
                f"{first}"
            ) from None

    tried = run(np.zeros((block, len(columns))))
    kind, read = _reading_of(path, tried, block)
    return ModelFile(path, columns, kind, block, run, read)


def _named_in(path: str, text: str | None) -> list[str] | None:
    """The columns that an ONNX file's metadata name, if they do."""
    if text is None:
        return None
    try:
        named = json.loads(text)
    except ValueError:
        named = None
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ConfigError(
            f"{path}: expected a JSON list of names as metadata {COLUMNS_KEY}, found {text[:80]!r}"
        )
    return named


def _reading_of(
    path: str, tried: list[npt.NDArray[Any]], rows: int
) -> tuple[str, Callable[[list[npt.NDArray[Any]]], Predicted]]:
    """What a model's outputs mean, judged by those of a trial."""
    floats = [k for k, out in enumerate(tried) if out.dtype.kind == "f"]
    shapes = [tried[k].shape for k in floats]
    if len(floats) == 1 and shapes[0][:1] == (rows,):
        at = floats[0]
        if len(tried) == 1 and shapes[0] in ((rows,), (rows, 1)):
            return "regression", lambda out: Predicted(out[at].reshape(-1).astype(float), None)
        if shapes[0] in ((rows, 2), (rows, 3)):
            labels = [k for k in range(len(tried)) if k != at]
            if all(tried[k].dtype.kind in "iu" and tried[k].shape == (rows,) for k in labels):
                return f"{shapes[0][1]} classes", lambda out: _of_probabilities(
                    path, out[at].astype(float), [out[k] for k in labels]
                )
    found = ", ".join(f"{out.dtype} {out.shape}" for out in tried)
    raise ConfigError(
        f"{path}: expected of {rows} rows one value each, or the probabilities of two classes "
        f"(0, 1 or -1, 1) or three (-1, 0, 1), found {found}"
    )


def _of_probabilities(
    path: str, given: FloatArray, labels: list[npt.NDArray[np.int64]]
) -> Predicted:
    """Read columns that are the classes in their order: a fall, perhaps neither, a rise."""
    last = given.shape[1] - 1
    best = given.argmax(axis=1)
    points = np.where(best == last, 1, np.where(best == 0, -1, 0))
    is_clear = np.sort(given, axis=1)[:, -1] > np.sort(given, axis=1)[:, -2]
    for label in labels:
        # The file does not say which classes its columns stand for, its labels do.
        meant = np.where(label == 0, -1, label) if last == 1 else label
        wrong = np.flatnonzero(is_clear & (meant != points))
        if wrong.size:
            known = "-1, 0, 1" if last == 2 else "0, 1 or -1, 1"
            raise ConfigError(
                f"{path}: expected the classes {known}, found the label {label[wrong[0]]} for the "
                f"probabilities {given[wrong[0]].tolist()}: train it with those"
            )
    direction = given[:, 1] - given[:, 0] if last == 1 else points.astype(float)
    direction = np.where(np.isfinite(given).all(axis=1), direction, np.nan)
    return Predicted(direction, np.clip(given.max(axis=1), 0, 1))


def _load_pickle(path: str, sent: tuple[str, ...], expected: tuple[str, ...]) -> ModelFile:
    """Load what `require_model_file` let pass: it is trusted."""
    try:
        import joblib
    except ModuleNotFoundError:
        raise ConfigError(
            f"{path}: expected the package joblib, found none: pip install 'tapewire[train]'"
        ) from None
    try:
        model = joblib.load(path)
    except Exception as error:  # whatever the pickle's own code raises
        raise ConfigError(
            f"{path}: expected a model that can be loaded, found otherwise: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(model, "predict", None)):
        raise ConfigError(
            f"{path}: expected a model with a method predict, found a {type(model).__name__}"
        )
    named = getattr(model, "feature_names_in_", None)
    columns = _columns_of(
        path, None if named is None else [str(one) for one in named],
        getattr(model, "n_features_in_", None), sent, expected,
    )  # fmt: skip
    classes = getattr(model, "classes_", None)
    if classes is not None and tuple(np.asarray(classes).tolist()) not in _CLASSES:
        raise ConfigError(
            f"{path}: expected the classes 0, 1 or -1, 1 or -1, 0, 1, found "
            f"{', '.join(map(str, classes))}"
        )
    has_classes = classes is not None and callable(getattr(model, "predict_proba", None))
    if classes is not None and not has_classes:
        raise ConfigError(
            f"{path}: expected a classifier with predict_proba, found a {type(model).__name__}"
        )
    ask = model.predict_proba if has_classes else model.predict
    given = _framed(ask, named)
    kind, read = _reading_of(path, given(np.zeros((BLOCK_ROWS, len(columns)))), BLOCK_ROWS)
    return ModelFile(path, columns, kind, BLOCK_ROWS, given, read)


def _framed(
    ask: Callable[[Any], Any], named: Any
) -> Callable[[FloatArray], list[npt.NDArray[Any]]]:
    """Ask with names where the model was trained with names: it would warn otherwise."""
    if named is None:
        return lambda values: [np.asarray(ask(values))]
    import pandas as pd

    return lambda values: [np.asarray(ask(pd.DataFrame(values, columns=list(named))))]
