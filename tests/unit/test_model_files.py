"""Files of trained models: what they say of rows, and which of them are refused."""

import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.svm import LinearSVC

from tapewire.bridge.model_files import load_model_file
from tapewire.errors import ConfigError, MissingFileError, SimulationError
from trained import fitted, rows, write_onnx

SENT = ("mid", "a", "b", "c")
COLUMNS = SENT[1:]
MODELS: dict[str, tuple[Any, tuple[int, ...] | None]] = {
    "linear": (LinearRegression(), None),
    "network": (MLPRegressor(hidden_layer_sizes=(16, 9), max_iter=50, random_state=1), None),
    "logistic": (LogisticRegression(), (0, 1)),
    "boosting": (GradientBoostingClassifier(n_estimators=20, random_state=1), (-1, 0, 1)),
    "forest": (RandomForestClassifier(n_estimators=21, random_state=1), (-1, 1)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    estimator, classes = MODELS[request.param]
    return fitted(estimator, classes)


@pytest.fixture(params=["onnx", "joblib", "pkl"])
def path(request: pytest.FixtureRequest, model: Any, tmp_path: Path) -> str:
    path = tmp_path / f"model.{request.param}"
    if request.param == "onnx":
        return write_onnx(path, model)
    if request.param == "joblib":
        joblib.dump(model, path)
    else:
        path.write_bytes(pickle.dumps(model))
    return str(path)


def test_it_says_what_the_library_says(model: Any, path: str) -> None:
    asked = rows(100, seed=9).astype(np.float32).astype(float)
    loaded = load_model_file(path, SENT, COLUMNS, trust_pickle=True)
    said = loaded.predict(asked)
    wanted = model.predict(asked)
    if hasattr(model, "classes_"):
        assert loaded.kind == f"{len(model.classes_)} classes"
        assert np.sign(said.direction).tolist() == np.where(wanted == 0, (
            0 if len(model.classes_) == 3 else -1), wanted).tolist()  # fmt: skip
        assert said.confidence == pytest.approx(model.predict_proba(asked).max(axis=1), abs=1e-5)
    else:
        assert loaded.kind == "regression"
        assert said.direction == pytest.approx(wanted, abs=1e-4)
        assert said.confidence is None


@pytest.mark.parametrize("size", [1, 2, 7, 16, 17, 256])
def test_the_same_bits_however_many_rows_are_asked_about(path: str, size: int) -> None:
    asked = rows(300, seed=8)
    asked[5, 1] = asked[299, 0] = np.nan
    loaded = load_model_file(path, SENT, COLUMNS, trust_pickle=True)
    whole = loaded.predict(asked)
    parts = [loaded.predict(asked[at : at + size]) for at in range(0, 300, size)]
    for k in range(2):
        if whole[k] is not None:
            assert np.concatenate([part[k] for part in parts]).tobytes() == whole[k].tobytes()


def test_of_a_row_with_an_unknown_feature_nothing_is_known(path: str) -> None:
    loaded = load_model_file(path, SENT, COLUMNS, trust_pickle=True)
    asked = rows(3)
    asked[1, 2] = np.nan
    said = loaded.predict(asked)
    assert said.direction[1] == 0
    assert said.confidence is None or said.confidence[1] == 0


@pytest.mark.parametrize("fixed", [1, 5])
def test_a_file_made_for_so_many_rows(tmp_path: Path, fixed: int) -> None:
    model = fitted(LinearRegression())
    path = write_onnx(tmp_path / "m.onnx", model, rows_fixed=fixed)
    said = load_model_file(path, SENT, COLUMNS).predict(rows(13))
    assert said.direction == pytest.approx(model.predict(rows(13)), abs=1e-4)


def test_doubles(tmp_path: Path) -> None:
    model = fitted(LinearRegression())
    path = write_onnx(tmp_path / "m.onnx", model, double=True)
    said = load_model_file(path, SENT, COLUMNS).predict(rows(13))
    assert said.direction == pytest.approx(model.predict(rows(13)), abs=1e-12)


def test_a_file_that_names_its_columns_gets_those(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "m.onnx", fitted(LinearRegression()), names=["c", "mid", "a"])
    assert load_model_file(path, SENT, COLUMNS).columns == ("c", "mid", "a")


# --- what is refused --------------------------------------------------------------------------


class Trap:
    """What a pickle may do."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".PKL"])
def test_a_pickle_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(f"momentum_v1{suffix}")
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConfigError) as told:
        load_model_file(str(path), SENT, COLUMNS)
    for words in (str(path), "may run any code", "export the model to ONNX", "trust_pickle: true"):
        assert words in str(told.value)
    assert not Path("touched").exists()
    with pytest.raises(ConfigError, match="a method predict"):
        load_model_file(str(path), SENT, COLUMNS, trust_pickle=True)
    assert Path("touched").exists()


def test_names_and_files_that_are_none(tmp_path: Path) -> None:
    for name in ("model.txt", "model"):
        with pytest.raises(ConfigError, match=r"ends in \.onnx"):
            load_model_file(str(tmp_path / name), SENT, COLUMNS)
    with pytest.raises(MissingFileError, match=r"found none at .*gone\.onnx"):
        load_model_file(str(tmp_path / "gone.onnx"), SENT, COLUMNS)
    for name in ("broken.onnx", "broken.pkl"):
        (tmp_path / name).write_bytes(b"no model at all")
        with pytest.raises(ConfigError, match=rf"{name}: expected"):
            load_model_file(str(tmp_path / name), SENT, COLUMNS, trust_pickle=True)


def test_other_columns_than_are_sent(tmp_path: Path) -> None:
    model = fitted(LinearRegression())
    path = write_onnx(tmp_path / "m.onnx", model, names=["a", "b", "x"])
    with pytest.raises(ConfigError, match=r"trained on a, b, x, but x is not among the features"):
        load_model_file(path, SENT, COLUMNS)
    path = write_onnx(tmp_path / "n.onnx", model)
    with pytest.raises(ConfigError, match="the model takes 3 columns, the features are 4"):
        load_model_file(path, SENT, SENT)
    joblib.dump(model, tmp_path / "m.joblib")
    with pytest.raises(ConfigError, match="the model takes 3 columns, the features are 4"):
        load_model_file(str(tmp_path / "m.joblib"), SENT, SENT, trust_pickle=True)
    path = write_onnx(tmp_path / "o.onnx", model, names="no JSON")
    with pytest.raises(ConfigError, match="expected a JSON list of names"):
        load_model_file(path, SENT, COLUMNS)
    # One that does not say how many it takes is found out by trying.
    path = write_onnx(tmp_path / "p.onnx", model, columns=None)
    with pytest.raises(ConfigError, match=r"failed on 16 rows of 4 columns|takes 3 columns"):
        load_model_file(path, SENT, SENT)


def test_outputs_that_mean_nothing(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "m.onnx", fitted(LogisticRegression(), (0, 1)), zipmap=True)
    with pytest.raises(ConfigError, match=r"export the classifier with options=\{'zipmap': False"):
        load_model_file(path, SENT, COLUMNS)
    path = write_onnx(tmp_path / "n.onnx", fitted(LogisticRegression(), (0, 1, 2, 3)))
    with pytest.raises(ConfigError, match=r"probabilities of two classes"):
        load_model_file(path, SENT, COLUMNS)
    for classes in ((0, 1, 2), (1, 2)):
        path = write_onnx(tmp_path / "o.onnx", fitted(LogisticRegression(), classes))
        with pytest.raises(ConfigError, match=r"expected the classes .* found the label"):
            load_model_file(path, SENT, COLUMNS).predict(rows())
        joblib.dump(fitted(LogisticRegression(), classes), tmp_path / "o.joblib")
        with pytest.raises(ConfigError, match="expected the classes 0, 1 or"):
            load_model_file(str(tmp_path / "o.joblib"), SENT, COLUMNS, trust_pickle=True)
    joblib.dump(fitted(LinearSVC(), (0, 1)), tmp_path / "p.joblib")
    with pytest.raises(ConfigError, match="a classifier with predict_proba, found a LinearSVC"):
        load_model_file(str(tmp_path / "p.joblib"), SENT, COLUMNS, trust_pickle=True)


def test_an_answer_that_is_no_number(tmp_path: Path) -> None:
    model = fitted(LinearRegression())
    path = write_onnx(tmp_path / "m.onnx", model)
    loaded = load_model_file(path, SENT, COLUMNS)
    with pytest.raises(SimulationError, match=r"m\.onnx: expected finite predictions, found"):
        loaded.predict(np.array([[0.0, 1.0, 2.0], [np.inf, 0.0, -np.inf]]))


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [("onnxruntime", "m.onnx", "ml"), ("joblib", "m.pkl", "train")],
)
def test_a_missing_package_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, extra: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"{package}, found none: .*tapewire\[{extra}\]"):
        load_model_file(str(tmp_path / name), SENT, COLUMNS, trust_pickle=True)
