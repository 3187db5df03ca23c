"""The studio over a million strategies: what a page costs the server, and when it is there."""

import contextlib
import http.client
import json
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.bench.services import Served, served
from tapewire.bench.store import PROCESS_S_MAX, STRATEGIES, STRATEGIES_QUICK
from tapewire.errors import SimulationError

GROUP: Final = "studio"
PAGES: Final = 200
PAGES_QUICK: Final = 40
#: Pages that are open at a time, each of which watches a job, and how long, s.
OPEN: Final = 10
OPEN_S: Final = 20.0
OPEN_QUICK_S: Final = 5.0
#: What a list is asked for, as a person sorts and filters it.
ASKED: Final = {
    "the best": {"sort": "sharpe"},
    "the newest": {"sort": "id"},
    "a filter": {"sort": "sharpe", "where": "trades > 100 and sharpe > 1"},
}
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_OURS: Final = {"content-type": "application/json", "x-tapewire": "1"}


class Visitor:
    """Calls of the page over one connection, with its cookies.

    Parameters
    ----------
    at
        A server with a studio.
    """

    def __init__(self, at: Served) -> None:
        place = urlsplit(at.page)
        assert place.hostname is not None
        self._connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        self._cookie = ""
        self._socket: socket.socket | None = None
        answer = self.ask("/api/session", {"name": "dev", "password": at.password})
        cookies = [one.split(";")[0] for one in answer.headers.get_all("set-cookie") or ()]
        self._cookie = "; ".join(cookies)

    def ask(self, path: str, asked: dict[str, Any]) -> Any:
        """Return what a call is answered, unread."""
        headers = _OURS | ({"cookie": self._cookie} if self._cookie else {})
        self._connection.request("POST", path, json.dumps(asked), headers)
        self._socket = self._connection.sock  # a stream's answer takes it along
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise SimulationError(f"{path}: expected an answer, found status {answer.status}")
        if not path.startswith("/api/stream/"):
            answer.told = json.loads(answer.read())  # type: ignore[attr-defined]
        return answer

    def close(self) -> None:
        """Hang up, also on who waits for more in another thread."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other end was quicker
                self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def studio_rows(scale: Scale, tell: Any, missing: list[str]) -> Iterator[Row]:
    """Fill a store on SQLite, serve it, and look at it as pages do.

    Yields
    ------
    Row
        Group ``studio``. Of pages of 100 strategies, each behind the one before: ``cpu_ms`` of the
        server, all threads, ``p50_ms`` and ``p99_ms`` until the answer is whole; of ten open
        pages ``core_percent`` of the server; of a browser ``paint_ms`` until something is seen
        and ``rows_ms`` until the strategies are, from the address on.
    """
    count = STRATEGIES_QUICK if scale.quick else STRATEGIES
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as made:
        folder = Path(made)
        tell(f"storing {count:,} strategies on SQLite …")
        store = str(folder / "tapewire.db")
        command = [sys.executable, "-P", "-m", "tapewire.bench.store", store, str(count), "0"]
        run_child([*command, str(scale.seed)], timeout_s=PROCESS_S_MAX)
        (folder / "data").mkdir()
        options = ("--web-port", "0", "--data", "data", "--workers", "0")
        with served(folder, *options, fills=False) as at:
            for name, asked in ASKED.items():
                tell(f"pages, {name} …")
                yield _pages(at, name, asked, PAGES_QUICK if scale.quick else PAGES, count)
            tell(f"{OPEN} open pages …")
            yield _open(at, OPEN_QUICK_S if scale.quick else OPEN_S)
            found = _painted(at, count)
            if isinstance(found, str):
                missing.append(found)
            else:
                yield found


def _pages(at: Served, name: str, asked: dict[str, Any], pages: int, count: int) -> Row:
    took_ms: list[float] = []
    with contextlib.closing(Visitor(at)) as visitor:
        token = ""
        for k in range(pages + 1):
            if k == 1:  # the first one loads modules
                cpu_s = at.cpu_s()
            began_s = time.perf_counter()
            request = {**asked, "page_size": 100, "page_token": token}
            told = visitor.ask("/api/call/StrategyService/List", request).told
            if k:
                took_ms.append(1e3 * (time.perf_counter() - began_s))
            token = told["next_page_token"]
        cpu_s = at.cpu_s() - cpu_s
    took_ms.sort()
    figures = {
        "cpu_ms": round(1e3 * cpu_s / pages, 2),
        "p50_ms": round(statistics.median(took_ms), 2),
        "p99_ms": round(took_ms[len(took_ms) * 99 // 100], 2),
    }
    note = f"a hundred each of {count:,} strategies (SQLite), over HTTP, one after another"
    seconds = [sum(took_ms) / 1e3]
    return row_of(GROUP, f"pages, {name}", 100 * pages, seconds, note, figures)


def _open(at: Served, lasts_s: float) -> Row:
    """Have pages watch a job that waits, as a person who has asked for it does."""
    with contextlib.closing(Visitor(at)) as visitor:
        asked = {"data": "day.dbn", "idempotency_key": "bench"}
        job = visitor.ask("/api/call/DataService/InspectFile", asked).told["job"]["id"]
    visitors = [Visitor(at) for _ in range(OPEN)]
    watched = {"job_id": job, "after_seq": "0"}
    streams = [one.ask("/api/stream/JobService/Watch", watched) for one in visitors]
    ended = threading.Event()
    threads = [threading.Thread(target=_hear, args=(one, ended), daemon=True) for one in streams]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    cpu_s, began_s = at.cpu_s(), time.perf_counter()
    time.sleep(lasts_s)
    cpu_s, took_s = at.cpu_s() - cpu_s, time.perf_counter() - began_s
    if ended.is_set():
        raise SimulationError("open pages: expected streams that last, found one that ended")
    for one in visitors:
        one.close()
    figures = {"core_percent": round(100 * cpu_s / took_s, 2)}
    return row_of(GROUP, f"{OPEN} open pages", OPEN, [took_s], "each watches a job", figures)


def _hear(stream: Any, ended: threading.Event) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
        while stream.readline():
            pass
        ended.set()


def _painted(at: Served, count: int) -> Row | str:
    """Return a row of a browser, or why there is none."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        return "studio: no row of a browser without Chromium and the package playwright"
    with sync_playwright() as playwright:
        driven = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = driven.new_page()
        page.goto(at.page)
        page.get_by_label("Name").fill("dev")
        page.get_by_label("Password").fill(at.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("tbody tr", timeout=60_000)
        began_s = time.perf_counter()
        page.goto(f"{at.page}strategies?sort=sharpe")
        page.wait_for_selector("tbody tr:nth-child(100)", timeout=60_000)
        took_s = time.perf_counter() - began_s
        paint_ms = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        driven.close()
    figures = {"paint_ms": round(paint_ms, 1), "rows_ms": round(1e3 * took_s, 1)}
    note = f"Chromium on this host, the best of {count:,} strategies, logged in"
    return row_of(GROUP, "first view", 100, [took_s], note, figures)


if __name__ == "__main__":
    for row in studio_rows(Scale(0, 1, 1, quick="--quick" in sys.argv), print, []):
        print(json.dumps([row.name, row.best_s, row.figures]))
