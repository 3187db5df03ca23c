"""Runs one after another, side by side and within one another, all in one process: one digest."""

import contextlib
import gc
import os
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import ConfigError, InterruptedRunError, OutputError
from tapewire.runs.hooks import Hooks, RunProgress

TRANSPORTS = ["inproc", "ipc"]


class Counting(tw.Strategy):
    """A strategy of plain Python, whose state and draws are its own."""

    def on_start(self, context: tw.Context) -> None:
        self.n = 0

    def on_trade(self, trade: Any, context: tw.Context) -> None:
        self.n += 1
        context.record("n", self.n)
        if context.random.random() < 0.05:
            (context.buy if context.position <= 0 else context.sell)(1)


def run(file: Path, folder: Path, **options: Any) -> tw.RunResult:
    options = {"transport": "inproc", "strategies": ["market_maker", Counting], **options}
    return tw.run(file, output=folder, batch_records=4_096, **options)


@pytest.fixture(scope="module")
def whole(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    return run(synthetic_file, tmp_path_factory.mktemp("one") / "out")


def assert_same(result: tw.RunResult, whole: tw.RunResult) -> None:
    result.verify()
    assert result.digest == whole.digest
    assert result.manifest["digests"] == whole.manifest["digests"]
    assert result.series.equals(whole.series)
    assert result.fills.num_rows > 100


def test_again_and_again(synthetic_file: Path, whole: tw.RunResult, tmp_path: Path) -> None:
    threads = threading.active_count()
    for k, transport in enumerate([*TRANSPORTS, "inproc"]):
        assert_same(run(synthetic_file, tmp_path / f"{k}", transport=transport), whole)
    assert threading.active_count() == threads


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_side_by_side(
    synthetic_file: Path, whole: tw.RunResult, tmp_path: Path, transport: str
) -> None:
    together = threading.Barrier(3)

    def one(k: int) -> tw.RunResult:
        together.wait()
        return run(synthetic_file, tmp_path / f"{k}", transport=transport)

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(one, range(3)):
            assert_same(result, whole)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.long
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_within_one_another(
    synthetic_file: Path, whole: tw.RunResult, tmp_path: Path, transport: str
) -> None:
    inner: list[tw.RunResult] = []

    def progress(said: RunProgress) -> None:
        if len(inner) < 2 and said.events > 8_000:
            folder = tmp_path / f"inner{len(inner)}"
            inner.append(run(synthetic_file, folder, transport=transport))

    outer = run(
        synthetic_file, tmp_path / "outer", transport=transport, hooks=Hooks(progress=progress)
    )
    assert len(inner) == 2
    for result in (outer, *inner):
        assert_same(result, whole)


def test_a_stepped_one_beside_a_run(
    synthetic_file: Path, whole: tw.RunResult, tmp_path: Path
) -> None:
    strategies = ["market_maker", Counting]
    with (
        tw.Simulation(synthetic_file, strategies=strategies) as first,
        tw.Simulation(synthetic_file, strategies=strategies) as second,
    ):
        first.step(9_999)
        assert_same(run(synthetic_file, tmp_path / "out"), whole)
        while second.step(777):
            first.step(100)
        while first.step():
            pass
        assert first.finish() == second.finish() == whole.digest


def test_one_that_fails_takes_no_other_with_it(
    synthetic_file: Path, whole: tw.RunResult, tmp_path: Path
) -> None:
    def one(k: int) -> tw.RunResult | Exception:
        options: dict[str, Any] = {"strategies": "market_makr"} if k % 2 else {}
        try:
            return run(synthetic_file, tmp_path / f"{k}", **options)
        except ConfigError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, range(4)))
    assert [isinstance(result, ConfigError) for result in results] == [False, True, False, True]
    for result in results[::2]:
        assert isinstance(result, tw.RunResult)
        assert_same(result, whole)


def test_one_folder_is_one_runs(synthetic_file: Path, tmp_path: Path) -> None:
    inner: list[int] = []

    def hold(said: RunProgress) -> None:
        if not inner:
            with pytest.raises(OutputError, match="is being written by another run"):
                run(synthetic_file, tmp_path / "out")
            inner.append(said.events)

    run(synthetic_file, tmp_path / "out", hooks=Hooks(progress=hold))
    assert inner


def test_folders_of_runs_side_by_side_have_names_of_their_own(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def one(_: int) -> Path:
        return tw.run(
            synthetic_file, strategies="market_maker", transport="inproc", name="same"
        ).path

    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(one, range(3)))
    assert len(paths) == 3


def test_ctrl_c_ends_the_inner_run_and_then_the_outer(synthetic_file: Path, tmp_path: Path) -> None:
    def press(said: RunProgress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def progress(said: RunProgress) -> None:
        run(synthetic_file, tmp_path / "inner", hooks=Hooks(progress=press))

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError, match="Ctrl-C"):
        run(synthetic_file, tmp_path / "outer", hooks=Hooks(progress=progress))
    assert signal.getsignal(signal.SIGINT) is before
    for name in ("inner", "outer"):
        assert tw.RunResult.load(tmp_path / name).status == "incomplete"


def test_a_run_in_another_thread_leaves_signals_alone(synthetic_file: Path, tmp_path: Path) -> None:
    seen: list[Any] = []
    before = signal.getsignal(signal.SIGINT)

    def progress(said: RunProgress) -> None:
        seen.append(signal.getsignal(signal.SIGINT))

    def work() -> None:
        run(synthetic_file, tmp_path / "out", hooks=Hooks(progress=progress))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen) == {before}
    assert tw.RunResult.load(tmp_path / "out").status == "complete"


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_that_has_ended_holds_no_memory(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """Its books are gone at once, not when cycles are collected, which may be never."""
    from tapewire.runs import wiring

    made, make = [], wiring.make_simulation

    def remembered(*arguments: Any, **options: Any) -> Any:
        simulation = make(*arguments, **options)
        made.append(weakref.ref(simulation))
        return simulation

    def stop(said: RunProgress) -> None:
        if stopped:
            raise InterruptedRunError("as it was told to")

    monkeypatch.setattr(wiring, "make_simulation", remembered)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(InterruptedRunError) if stopped else contextlib.nullcontext():
            tw.run(
                synthetic_file, strategies="market_maker", output=tmp_path / "out",
                hooks=Hooks(progress=stop),
            )  # fmt: skip
        gone = made[0]() is None
    finally:
        gc.enable()
    assert gone
