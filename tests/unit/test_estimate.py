"""What a study would take: worked by hand, and by the command."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.cli.study_plan import bytes_text, plan_text
from tapewire.config.loading import make_config
from tapewire.errors import FormatError, MissingFileError
from tapewire.studies.axes import Trial
from tapewire.studies.base import Base
from tapewire.studies.estimate import Rates, Size, data_of, estimate, fitted
from tapewire.studies.planning import packed, passes_of

MIB = 1 << 20


def test_a_study_worked_by_hand() -> None:
    # 100 trials over one file of 1,000,000 records, as if it were one of 10 days of 3 symbols.
    rates = Rates(first_s=1e-6, more_s=1e-8, start_s=0.5, memory_bytes=200 * MIB, trial_bytes=MIB)
    found = estimate([(100, 1_000_000, 7_000_000)], rates, Size(10, 3, nodes=2, cores=4))
    # 30 groups for 8 workers: each is cut by the most of a pass alone, into 50 and 50.
    assert (found.trials, found.passes, found.trials_of_pass) == (100, 60, 50)
    assert (found.records, found.bytes_read) == (60_000_000, 420_000_000)
    # A pass: 0.5 s + 1,000,000 × (1 µs + 49 × 10 ns) = 1.99 s; eight rounds of eight at most.
    assert found.core_hours == pytest.approx(60 * 1.99 / 3600)
    assert found.hours == pytest.approx(8 * 1.99 / 3600)
    assert found.memory_bytes == 249 * MIB
    assert found.node_bytes == 4 * 249 * MIB
    assert found.node_bytes_per_s == pytest.approx(420_000_000 / 2 / (8 * 1.99))
    said = estimate([(1, 2_000_000, 0)], Rates.said(1e6), Size())
    assert (said.hours, said.memory_bytes) == (pytest.approx(2 / 3600), None)
    assert "not measured" in plan_text(said)
    assert "60 of at most 50 trials" in plan_text(found)


def test_rates_of_two_measurements() -> None:
    one = {"seconds": 2.0, "records": 1_000_000, "start_s": 0.3, "end_s": 0.2,
           "memory_bytes": 100 * MIB}  # fmt: skip
    eight = {"seconds": 1.35, "records": 500_000, "start_s": 0.4, "end_s": 0.9,
             "memory_bytes": 107 * MIB}  # fmt: skip
    found = fitted(one, eight, 8)
    assert (found.first_s, found.start_s, found.ends) == (2e-6, 0.5, True)
    assert (found.more_s, found.trial_s) == (pytest.approx(1e-7), pytest.approx(0.1))
    assert (found.memory_bytes, found.trial_bytes) == (100 * MIB, MIB)
    assert found.pass_s(1_000_000, 3) == pytest.approx(0.5 + 0.2 + 2.0 + 0.2)
    left = fitted(one, {**eight, "end_s": None}, 8)
    assert (left.start_s, left.trial_s, left.ends) == (0.3, 0.0, False)
    assert fitted(one, one, 1).pass_s(1_000_000, 1) == pytest.approx(2.5)


@given(st.integers(1, 300), st.integers(1, 5), st.integers(1, 9), st.integers(1, 64))
def test_packs_are_even_whole_and_enough(
    members: int, groups: int, workers: int, most: int
) -> None:
    sizes = packed(members, groups, workers, most)
    assert sum(sizes) == members
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= most
    assert len(sizes) * groups >= min(workers, members)


def test_what_is_planned_is_what_is_packed() -> None:
    base = Base(
        {
            "backtest": {"data_source": {"type": "synthetic", "events": 64}},
            "strategy": [{"type": "market_maker", "name": "mm"}],
        },
        ["max_inventory"],
    )
    planned = [base.planned(Trial(k, {"max_inventory": k})) for k in range(1, 131)]
    assert data_of(planned[0]) == (64, 0)
    for workers in (1, 2, 8):
        found = estimate([(130, 64, 0)], Rates.said(1.0), Size(cores=workers))
        passes = passes_of(planned, workers)
        assert found.passes == len(passes)
        assert found.trials_of_pass == max(len(one.trials) for one in passes)


def test_records_of_files(synthetic_file: Path, tmp_path: Path) -> None:
    import zstandard

    packed_file = tmp_path / "day.mbo.dbn.zst"
    packed_file.write_bytes(zstandard.compress(synthetic_file.read_bytes()))
    for path in (synthetic_file, packed_file):
        config = make_config(
            {
                "backtest": {"data_source": {"type": "databento", "files": [str(path)]}},
                "strategy": [{"type": "market_maker", "name": "mm"}],
            }
        )
        (one,) = [Base(config.to_dict(), []).planned(Trial(1, {}))]
        records, size = data_of(one)
        assert size == path.stat().st_size
        assert 30_000 <= records < 30_100  # the header counts with them


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    def asked(path: Path) -> tuple[int, int]:
        document = {
            "backtest": {"data_source": {"type": "databento", "files": [str(path)]}},
            "strategy": [{"type": "market_maker", "name": "mm"}],
        }
        return data_of(Base(make_config(document).to_dict(), []).planned(Trial(1, {})))

    with pytest.raises(MissingFileError, match=r"no\.dbn: can't be read: No such file"):
        asked(tmp_path / "no.dbn")
    broken = tmp_path / "broken.dbn.zst"
    broken.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match="expected Zstandard"):
        asked(broken)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2.5e15, "2.5 PB")]
)
def test_bytes_in_words(count: float, text: str) -> None:
    assert bytes_text(count) == text


def test_the_command_measures_and_leaves_nothing(tapewire_here, synthetic_file: Path) -> None:  # type: ignore[no-untyped-def]
    command = ("sweep", synthetic_file, "-s", "market_maker", "--vary", "max_inventory=1:100",
               "--plan", "--nodes", 10, "--cores", 4, "--plan-days", 2520)  # fmt: skip
    refused = tapewire_here(*command[:6], "--nodes", 2)
    assert refused.returncode == 2
    assert "--nodes: expected --plan with it" in refused.stderr
    draws = ("--method", "random", "--draws", "20")
    done = tapewire_here(*command, *draws, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["trials"], found["passes"]) == (20, 2520)
    assert found["bytes_read"] == 2520 * synthetic_file.stat().st_size
    assert found["rates"]["source"] == "measured"
    assert 1e-9 < found["rates"]["first_s"] < 1e-3
    assert found["memory_bytes"] > 50 * MIB
    assert found["hours"] > 0
    assert list(Path(tapewire_here.cwd).iterdir()) == []
    said = tapewire_here(*command, *draws, "--rate", 1_000_000)
    assert said.returncode == 0, said.stderr
    assert "1,000,000 records/s a trial on a core, as said" in said.stdout
