"""`tapewire rails`: an account looked at, killed and reset from beside its rails."""

import json
from pathlib import Path

from conftest import TapewireHere
from rails_desks import SYMBOL, Table
from tapewire.live.rails.messages import RailsState


def test_an_account_is_shown_killed_and_reset_while_its_session_runs(
    tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    table = Table(tmp_path / "demo").open().settled()
    table.send(3)
    resting = table.send(-2, table.venue.price / 1e9 + 5)
    table.pass_s(0.5)
    shown = json.loads(tapewire_here("rails", "show", "demo", "--json").stdout)
    assert (shown["account"], shown["positions"]) == ("test", {SYMBOL: 3})
    [order] = shown["open_orders"]
    assert (order["client_order_id"], order["side"], order["quantity"]) == (resting, "SELL", 2)
    assert (order["status"], order["is_unknown"], shown["killed"]) == ("NEW", False, None)
    assert float(order["price"]) == table.venue.price / 1e9 + 5

    killed = tapewire_here("rails", "kill", "demo", "--why", "wrong \x1b[2J parameters")
    assert killed.returncode == 0
    table.pass_s(1.0)
    assert table.state == RailsState.KILLED
    text = tapewire_here("rails", "show", "demo").stdout
    assert "KILLED: wrong" in text
    assert "\x1b" not in text
    assert resting not in text  # was canceled
    assert f"{SYMBOL}  +3 lots" in text

    refused = tapewire_here("rails", "reset", "demo", "--confirm", "reset demo")
    assert refused.returncode == 2
    assert "expected 'reset test' to be typed" in refused.stderr
    done = tapewire_here("rails", "reset", "demo", "--confirm", "reset test")
    assert (done.returncode, "may trade again" in done.stderr) == (0, True)
    again = tapewire_here("rails", "reset", "demo", "--confirm", "reset test")
    assert "was not killed" in again.stderr
    table.pass_s(0.5)
    assert table.state == RailsState.KILLED  # this session stays so
    table.die()
    assert Table(tmp_path / "demo", venue=table.venue, now_ns=table.now_ns).open().settled()


def test_what_is_no_account_is_said(tmp_path: Path, tapewire_here: TapewireHere) -> None:
    (tmp_path / "empty").mkdir()
    for words, part in (
        (("show", "empty"), "expected an account's folder with its journal, found none"),
        (("show", "nowhere"), "expected an account's folder"),
        (("kill", "nowhere"), "expected an account's folder, found none"),
        (("reset", "empty", "--confirm", "reset test"), "found none"),
    ):
        ended = tapewire_here("rails", *words)
        assert (ended.returncode, part in ended.stderr) == (2, True), ended.stderr
    assert list((tmp_path / "empty").iterdir()) == []
    Path(tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "journal-000001.twj").write_bytes(b"no journal")
    ended = tapewire_here("rails", "show", "torn")
    assert (ended.returncode, "Traceback" in ended.stderr) == (3, False), ended.stderr
