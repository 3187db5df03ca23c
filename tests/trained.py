"""Small trained models and their files."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SEED = 4


def rows(n: int = 400, columns: int = 3, seed: int = SEED) -> np.ndarray:
    """Features without a meaning."""
    return np.random.default_rng(seed).normal(size=(n, columns))


def fitted(model: Any, classes: tuple[int, ...] | None = None, columns: int = 3) -> Any:
    """A model of scikit-learn that has learnt from them what their sum is, or its class."""
    given = rows(columns=columns)
    wanted = given.sum(axis=1) + 0.3 * given[:, 0] ** 2
    if classes is not None:
        borders = np.quantile(wanted, np.linspace(0, 1, len(classes) + 1)[1:-1])
        wanted = np.array(classes)[np.searchsorted(borders, wanted)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that have not converged
        return model.fit(given, wanted)


def write_onnx(
    path: Path, model: Any, *, names: object = None, columns: int | None = 3,
    rows_fixed: int | None = None, zipmap: bool = False, double: bool = False,
) -> str:  # fmt: skip
    """Write a model as ONNX; ``names`` go to its metadata."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if double else FloatTensorType
    options = {"zipmap": zipmap} if hasattr(model, "classes_") else None
    made = convert_sklearn(
        model, initial_types=[("features", kind([rows_fixed, columns]))], options=options
    )
    if names is not None:
        entry = made.metadata_props.add()
        entry.key = "tapewire_columns"
        entry.value = names if isinstance(names, str) else json.dumps(names)
    path.write_bytes(made.SerializeToString())
    return str(path)
