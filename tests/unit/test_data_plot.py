"""`tapewire data plot`: what is drawn, and that it is drawn."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from naive.book import NaiveBooks, rows
from naive.dbn import read_mbo
from tapewire.cli.program import app
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.plot import lots_map, plot_file, price_rows
from tapewire.inputs.scenes import DEPTH, STEPS_MAX, Scene, read_scene
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE
from tapewire.replay.synth import SyntheticSession, synthesize

DataFile = Callable[[str], Path]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
UNIT = 10**9


def test_a_scene_is_the_book_as_of_each_step(data_file: DataFile) -> None:
    """Against the slow book, stopped at the end of every thirtieth step of ten minutes."""
    start = 1_703_545_200 * UNIT
    end = start + 600 * UNIT
    scene = read_scene(data_file(ESH4), start_ns=start, end_ns=end)
    assert scene.symbol == "ESH4"
    assert STEPS_MAX / 2 <= len(scene.steps) <= STEPS_MAX
    assert (np.diff(scene.steps) == scene.step_ns).all()
    records = read_mbo(data_file(ESH4))
    inside = records[(records["ts_recv"] >= start) & (records["ts_recv"] < end)]
    trades = inside[inside["action"] == ord("T")]
    assert scene.trades[:, :3].tolist() == [
        [int(t["ts_recv"]), int(t["price"]), int(t["size"])] for t in trades
    ]
    assert {(chr(t["side"]), int(s)) for t, s in zip(trades, scene.trades[:, 3], strict=True)} == {
        ("A", -1), ("B", 1), ("N", 0),
    }  # fmt: skip
    assert scene.volume.sum() == trades["size"].sum()
    at = int(np.argmax(scene.volume))
    of = (trades["ts_recv"] // scene.step_ns) * np.uint64(scene.step_ns) == scene.steps[at]
    assert scene.volume[at] == trades["size"][of].sum()
    books, done = NaiveBooks(), 0
    for k in range(3, len(scene.steps), 30):
        stop = int(np.searchsorted(records["ts_recv"], scene.steps[k] + scene.step_ns))
        while not records["flags"][stop - 1] & 128:
            stop -= 1
        books.apply(rows(records[done:stop]))
        done = stop
        for side, letter in enumerate("BA"):
            levels = books.books[1, 17_077].levels(letter, DEPTH)
            there = scene.prices[k, side] != UNDEF_PRICE
            assert scene.prices[k, side][there].tolist() == [p for p, _, _ in levels]
            assert scene.sizes[k, side][there].tolist() == [lots for _, lots, _ in levels]


def scene_of(bids: list[list[tuple[int, int]]], asks: list[list[tuple[int, int]]]) -> Scene:
    n = len(bids)
    prices = np.full((n, 2, DEPTH), UNDEF_PRICE, np.int64)
    sizes = np.zeros((n, 2, DEPTH), np.int64)
    for side, of in enumerate((bids, asks)):
        for k, levels in enumerate(of):
            for i, (price, lots) in enumerate(levels):
                prices[k, side, i], sizes[k, side, i] = price, lots
    nothing = np.empty((0, 4), np.int64)
    steps = np.arange(n, dtype=np.int64)
    return Scene("X", 1, steps, prices, sizes, nothing, 0, np.zeros(n, np.int64))


def test_the_map_of_a_few_levels() -> None:
    """Ticks of 2; a moment with one side only."""
    scene = scene_of(
        [[(100, 5), (98, 1)], [(98, 2)], []], [[(102, 7)], [(104, 3)], [(104, 4), (108, 6)]]
    )
    assert price_rows(scene) == (98, 2, 6)
    assert lots_map(scene).tolist() == [
        [1, 2, 0], [5, 0, 0], [7, 0, 0], [0, 3, 4], [0, 0, 0], [0, 0, 6],
    ]  # fmt: skip


def test_a_wide_market_has_rows_of_several_ticks() -> None:
    """1,001 ticks in at most 240 rows: five of them a row, whose lots are added up."""
    bids = [[(1_000 - k, 1) for k in range(DEPTH)] for _ in range(60)]
    scene = scene_of(bids + [[(k, 1)] for k in range(0, 1_000, 25)], [[(2_000, 1)]] * 100)
    low, step, n = price_rows(scene)
    assert n <= 240
    assert step > 1
    there = (scene.prices >= low) & (scene.prices < low + n * step)
    assert lots_map(scene).sum() == scene.sizes[there].sum()


def test_pictures_of_every_kind(tmp_path: Path) -> None:
    source = tmp_path / "day.dbn"
    synthesize(source, events=5_000, seed=1)
    words = ["data", "plot", str(source), "-o", str(tmp_path / "a.html")]
    result = CliRunner().invoke(app, [*words, "--end", "2024-03-04T15:00"])
    assert result.exit_code == 0, result.output
    assert "a.html: TWA1, 2024-03-04T14:" in result.stdout
    page = (tmp_path / "a.html").read_text()
    assert re.findall(r'<img[^>]* src="(.{10})', page) == ["data:image"]
    assert not re.search(r'<(?:script|link|img)[^>]* (?:src|href)="(?!data:)', page)
    chart = json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0]
    )
    names = [line["name"] for line in chart["charts"]["market"]["lines"]]
    assert names == ["best bid", "best ask", "bought", "sold"]
    assert "data:image/png;base64,iVBOR" in page
    plot_file(source, tmp_path / "a.png")
    plot_file(source, tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_a_book_with_nothing_in_it_is_a_picture_too(tmp_path: Path) -> None:
    records = np.zeros(3, MBO_DTYPE)
    for i in range(3):
        records[i] = (
            14, 160, 1, 90_001, i, 0, UNDEF_PRICE, 0, 128, 0, ord("R"), ord("N"), 10**9 * (i + 1),
            0, i,
        )  # fmt: skip
    source = tmp_path / "day.dbn"
    source.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    scene = plot_file(source, tmp_path / "a.html")
    assert (scene.sizes == 0).all()
    assert (tmp_path / "a.html").stat().st_size > 10_000


def test_plot_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "day.dbn"
    synthesize(source, events=2_000, instruments=2, seed=1)
    out = tmp_path / "a.png"
    with pytest.raises(ConfigError, match=r"ending in .png, .svg, .html, found 'a.jpg'"):
        plot_file(source, tmp_path / "a.jpg")
    with pytest.raises(ConfigError, match="is the input"):
        plot_file(source, source)
    with pytest.raises(ConfigError, match=r"several books .*: choose with --symbol"):
        plot_file(source, out)
    with pytest.raises(NoDataError, match="TWA9"):
        plot_file(source, out, symbol="TWA9")
    with pytest.raises(ConfigError, match=r"start: expected .* found 'noon'"):
        plot_file(source, out, symbol="TWA1", start="noon")
    with pytest.raises(NoDataError):
        plot_file(source, out, symbol="TWA1", start="2025-01-01")
    monkeypatch.setattr("tapewire.inputs.plot.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tapewire\[plot\]'"):
        plot_file(source, out, symbol="TWA1")
    assert [p.name for p in tmp_path.iterdir()] == ["day.dbn"]
