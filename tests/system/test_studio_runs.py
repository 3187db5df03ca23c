"""Runs over HTTP: what a client may ask for, what it gets of them, and what it does not."""

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from browsers import Browser
from served import PASSWORD, Inner, inner_server
from served_runs import CONFIG, HOSTILE, ended_run
from tapewire.services.web.app import STUDIO
from tapewire.store import JobStore, NewStrategy

ROLES = {"ada": "admin", "vera": "viewer"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data").mkdir()
    (folder / "data" / "day.dbn").write_bytes(b"DBN nothing")
    (folder / "strategies").mkdir()
    given = {name: folder / name for name in ("data", "strategies", "runs")}
    with inner_server(folder, ROLES, web="127.0.0.1:0", **given) as inner:
        inner.ids = [ended_run(inner, folder / "runs", k) for k in range(2)]
        yield inner


@pytest.fixture(scope="module")
def ada(served: Inner) -> Browser:
    browser = Browser(served.server.web_port)
    assert browser.login("ada", PASSWORD)[0] == 200
    return browser


def asked(browser: Browser, call: str, **told: Any) -> dict[str, Any]:
    status, found = browser.call(f"RunService/{call}", **told)
    assert status == 200, found
    return dict(found)


def refused(browser: Browser, call: str, **told: Any) -> tuple[int, str]:
    status, found = browser.call(f"RunService/{call}", **told)
    assert status >= 400, found
    return status, str(found["error"])


def test_a_form_is_made_from_the_configurations_schema(ada: Browser):
    found = asked(ada, "Describe")
    schema = json.loads(found["schema"])
    backtest = schema["properties"]["backtest"]["properties"]
    assert "$ref" not in found["schema"]
    limits = backtest["risk_limits"]["properties"]
    assert limits["max_position"]["type"] == "integer"
    kinds = [one["properties"]["type"]["const"] for one in backtest["data_source"]["oneOf"]]
    assert kinds == ["databento", "synthetic"]
    assert asked(ada, "CheckConfig", yaml=found["example"])["problems"] == []


def test_a_configuration_goes_both_ways(ada: Browser):
    found = asked(ada, "CheckConfig", yaml=CONFIG)
    document = json.loads(found["json"])
    assert document["backtest"]["data_source"] == {"type": "synthetic", "events": 1000}
    document["backtest"]["seed"] = 7
    again = asked(ada, "CheckConfig", json=json.dumps(document))
    assert "seed: 7" in again["yaml"]
    assert json.loads(again["json"]) == document


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("backtest: {seed: -1}", "backtest.seed"),
        ("backtest: [", "not valid YAML"),
        ("strategy: {type: /etc/passwd.py}", "folder"),
        ("strategy: {type: 'os:system'}", "strategy.type: expected market_maker"),
        ("strategy: {type: external, command: [sh]}", "strategy.command"),
        ("strategy: {type: 'store:99'}", "strategy.type"),
        (
            "backtest: {data_source: {type: databento, files: [../served.db]}}",
            "backtest.data_source.files[0]",
        ),
        ("backtest: {data_source: {type: databento, files: [/etc/passwd]}}", "by its name there"),
        ("backtest: {data_source: {type: databento, catalogue: /}}", "catalogue"),
        ("backtest: {output: {directory: /tmp/x}}", "backtest.output.directory"),
        ("backtest: {output: {metrics_port: 80}}", "backtest.output.metrics_port"),
        ("backtest: {replay: {workers: 99}}", "backtest.replay.workers"),
        (
            "backtest: {execution: {latency_model: {type: recorded, file: /etc/passwd}}}",
            "backtest.execution.latency_model.file",
        ),
        ("backtest: {execution: {fees: {type: mine.py:Fees}}}", "backtest.execution.fees.type"),
        ("backtest: {account: {currency: USD, rate_file: /etc/passwd}}", "rate_file"),
    ],
)
def test_what_may_not_be_asked_for_is_said_with_its_key(ada: Browser, yaml: str, said: str):
    problems = asked(ada, "CheckConfig", yaml=yaml)["problems"]
    assert any(said in one for one in problems), problems
    status, error = refused(ada, "Start", config=yaml, idempotency_key="k")
    assert status == 400
    assert said in error


def test_a_run_is_asked_for_once_by_its_key(ada: Browser):
    first = asked(ada, "Start", config=CONFIG, idempotency_key="one")["job"]
    assert (first["kind"], first["state"]) == ("run", "JOB_STATE_WAITING")
    assert asked(ada, "Start", config=CONFIG, idempotency_key="one")["job"]["id"] == first["id"]


def test_a_result_is_that_of_the_report(served: Inner, ada: Browser):
    found = asked(ada, "GetResult", job_id=served.ids[1])
    result = json.loads(found["result"])
    assert "events: 1001" in found["config"]
    assert "Net P&L" in [one["name"] for one in result["tiles"]]
    assert "Fills by reason" in [one["title"] for one in result["bars"]]
    chart = asked(ada, "GetChart", job_id=served.ids[1], chart="price", points_max=100)
    assert len(chart["fills"]) == int(chart["fills_total"]) == 2
    assert chart["fills"][0]["order"] == HOSTILE
    page = asked(ada, "ListFills", job_id=served.ids[1], page_size=1)
    rest = asked(ada, "ListFills", job_id=served.ids[1], page_token=page["next_page_token"])
    assert [one["lots"] for one in (*page["fills"], *rest["fills"])] == ["2", "-1"]


def test_runs_are_put_side_by_side(served: Inner, ada: Browser):
    found = json.loads(asked(ada, "Compare", job_ids=served.ids)["comparison"])
    assert len(found["names"]) == 2
    assert found["metrics"][0][0] == "metric"


def test_fills_are_held_against_a_file_of_the_callers(served: Inner, ada: Browser):
    runs = served.server._settings.runs
    (folder,) = runs.glob(f"job-{served.ids[0]}-*")
    data = base64.b64encode((folder / "fills.parquet").read_bytes()).decode()
    told = {"job_id": served.ids[0], "file_name": "live.parquet", "data": data}
    found = json.loads(asked(ada, "Reconcile", **told)["reconciliation"])
    assert found
    assert refused(ada, "Reconcile", **{**told, "file_name": "../x.sh"})[0] == 400
    big = base64.b64encode(b" " * (2 << 20) + b"x").decode()
    assert refused(ada, "Reconcile", **{**told, "data": big})[0] == 400


def test_no_answer_has_a_folder_of_the_server(served: Inner, ada: Browser):
    _, error = refused(ada, "Explain", job_id=served.ids[1], order="nothing")
    found = asked(ada, "CheckConfig", yaml=CONFIG.replace(
        "type: synthetic, events: 1000", "type: databento, files: [day.dbn, gone.dbn]"
    ))["problems"]  # fmt: skip
    result = asked(ada, "GetResult", job_id=served.ids[1])["result"]
    for text in (error, *found, result):
        assert str(served.server._settings.data.parent) not in text, text


def test_what_is_no_run_has_no_result(served: Inner, ada: Browser):
    waiting = asked(ada, "Start", config=CONFIG, idempotency_key="two")["job"]["id"]
    assert "watch it" in refused(ada, "GetResult", job_id=waiting)[1]
    assert refused(ada, "GetChart", job_id=served.ids[0], chart="map")[0] == 400
    assert refused(ada, "Compare", job_ids=[served.ids[0]])[0] == 400


def test_who_only_looks_may_look_and_no_more(served: Inner):
    browser = Browser(served.server.web_port)
    browser.login("vera", PASSWORD)
    assert browser.call("RunService/GetResult", job_id=served.ids[0])[0] == 200
    for call in (
        "RunService/Start", "RunService/CheckConfig", "RunService/Reconcile", "RunService/Spread",
        "OptimizerService/KeepVariant", "DataService/DeriveFile",
    ):  # fmt: skip
        assert browser.call(call)[0] == 403, call


def test_a_number_that_a_page_does_not_hold_goes_through_it_as_it_is(ada: Browser):
    yaml = CONFIG.replace("strategy:", "  seed: 9007199254740993\nstrategy:")
    found = asked(ada, "CheckConfig", yaml=yaml)
    assert json.loads(found["json"])["backtest"]["seed"] == "#9007199254740993"
    again = asked(ada, "CheckConfig", json=found["json"])
    assert "seed: 9007199254740993" in again["yaml"]
    assert again["problems"] == []


def test_trades_are_drawn_again_or_it_is_said_why_not(served: Inner, ada: Browser):
    found = json.loads(asked(ada, "Spread", job_id=served.ids[0], resamples=10)["spread"])
    assert "it takes at least" in found["methods"][0]["why_not"]
    assert refused(ada, "Spread", job_id=served.ids[0], resamples=10_001)[0] == 400


def test_what_draws_the_charts_is_as_it_was_published(ada: Browser):
    told = (STUDIO / "uplot" / "README.md").read_text()
    for name in ("uPlot.esm.js", "uPlot.min.css"):
        assert f"`{name}` | {sha256((STUDIO / 'uplot' / name).read_bytes()).hexdigest()}" in told
        status, _, body = ada.ask("GET", f"/studio/uplot/{name}")
        assert (status, body) == (200, (STUDIO / "uplot" / name).read_bytes())
    for path in STUDIO.rglob("*.js"):
        assert "innerHTML" not in path.read_text(), path


def ended_optimisation(inner: Inner, strategy: str = "sma_cross") -> int:
    """An optimisation of two variants that was walked through; nobody had to trade them."""
    asked = {"strategy": strategy, "parameters": ["fast=5,6"], "assumptions": ["quantity=1"]}
    job = inner.store.add_job("optimize", asked, 1, key=f"of {strategy}")
    claimed = inner.store.claim_job("test", ("optimize",), lease_s=60)
    assert claimed is not None
    window = {
        "train_from_ns": 1, "train_to_ns": 2, "test_from_ns": 3, "test_to_ns": 3,
        "parameters": {"fast": 5}, "score": 1.5, "in_sample": 1.5, "out_of_sample": -0.5, "rank": 2,
    }  # fmt: skip
    result = {
        "strategy": strategy, "parameters": ["fast"], "variants": 2, "elapsed_s": 0.1,
        "objective": "net_pnl", "best": [{"fast": 5, "net_pnl": 1.0}, {"fast": 6, "net_pnl": None}],
        "interval_ns": 60 * 10**9, "best_so_far": [[1, 0.5], [2, 1.0]],
        "walk": {"windows": [window], "session_ns": [4], "net_pnl": [-0.5], "efficiency": None,
                 "changes": 0},
    }  # fmt: skip
    with JobStore.of_job(inner.store.url, job.id, claimed.attempt) as store:
        store.finish(result)
    return int(job.id)


def test_an_optimisation_tells_its_windows_and_gives_a_variant_to_runs(served: Inner, ada: Browser):
    job_id = ended_optimisation(served)
    status, found = ada.call("OptimizerService/GetResult", job_id=job_id)
    assert status == 200
    (window,) = found["walk"]["windows"]
    assert json.loads(window["parameters"]) == {"fast": 5}
    assert (window["test_from_ns"], window["out_of_sample"], window["rank"]) == ("3", -0.5, "2")
    assert (found["walk"]["session_ns"], found["walk"]["net_pnl"]) == (["4"], [-0.5])
    assert "efficiency" not in found["walk"]
    assert [one["objective_value"] for one in found["best_so_far"]] == [0.5, 1.0]
    given = {"job_id": job_id, "parameters": '{"fast": 5}'}
    status, kept = ada.call("OptimizerService/KeepVariant", **given)
    assert (status, kept["left_out"]) == (200, ["quantity=1"])
    assert ada.call("OptimizerService/KeepVariant", **given)[1] == kept
    config = CONFIG.replace("market_maker", f"'store:{kept['strategy_id']}'")
    assert asked(ada, "CheckConfig", yaml=config)["problems"] == []
    other = ended_optimisation(served, "barra_elefante")
    status, found = ada.call("OptimizerService/KeepVariant", job_id=other, parameters="{}")
    assert status == 400
    assert "whose rules can be declared" in found["error"]


def test_what_is_no_result_or_search_is_said_to_be_none(served: Inner, ada: Browser):
    rules = '{"name": "a", "version": "1.0", "timeframes": {"primary": "1m"}, "entry_rules": {}}'
    (number,) = served.store.add_strategies([NewStrategy("b" * 64, "bare", rules)])
    for call, told, said in (
        ("GetChart", {"which": "bare", "result_id": 7, "chart": "equity"}, "found none of number"),
        ("GetChart", {"which": "bare", "result_id": 7, "chart": "map"}, "candles, equity"),
        ("GetChart", {"chart": "equity"}, "which: expected an id"),
        ("GetGeneration", {"generation_id": 99}, "99"),
    ):
        status, found = ada.call(f"StrategyService/{call}", **told)
        assert status >= 400, found
        assert said in found["error"], found
    assert number > 0


def test_files_are_told_apart_by_what_is_in_them(ada: Browser):
    status, found = ada.call("DataService/ListDatasets")
    assert (status, found["files"][0]["name"], found["files"][0]["kind"]) == (200, "day.dbn", "")
    told = {"data": "day.dbn", "schema": "trades", "symbols": ["A"], "idempotency_key": "d"}
    status, found = ada.call("DataService/DeriveFile", **told)
    assert (status, found["job"]["kind"]) == (200, "derive")
