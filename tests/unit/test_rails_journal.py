"""The journal: whole records come back, a torn end is left out, damage is told of."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from rails_desks import SYMBOL, UNIT, Table
from tapewire.errors import FormatError, OutputError
from tapewire.execution.codes import OrderStatus
from tapewire.live.orders import BrokerDown, CancelOrder, NewOrder, OrderAccepted, OrderFilled
from tapewire.live.rails import ledger as ledger_module
from tapewire.live.rails.frames import FILE_MAGIC, frame_of, read_frames
from tapewire.live.rails.journal import Journal, journal_files, read_records
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.looking import look_at_account
from tapewire.live.rails.records import SessionBegan, SessionEnded

NOW = 10**18


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "account"
    folder.mkdir(mode=0o700)
    return folder


def silent(text: str) -> None:
    raise AssertionError(text)


def begun(folder: Path, told: Any = silent, **changes: Any) -> Journal:
    journal = Journal(folder, told, **changes)
    journal.begin_file(NOW)
    return journal


def order(number: int, lots: int = 3) -> NewOrder:
    return NewOrder(f"s1-{number}", "one", SYMBOL, 1, 2, 1, 99 * UNIT, 2**63 - 1, lots,
                    False, False, NOW)  # fmt: skip


def fill(number: int, execution: str, lots: int = 1) -> OrderFilled:
    return OrderFilled(f"s1-{number}", execution, 99 * UNIT, lots, 0, 0, 7, NOW, NOW)


def plain(ledger: AccountLedger) -> dict[str, Any]:
    """All that a ledger knows, but for what a new session begins with."""
    return {
        "open": {name: dict(vars(one)) for name, one in ledger.open.items()},
        "ended": {name: dict(vars(one)) for name, one in ledger.ended.items()},
        "positions": {s: vars(held) for s, held in ledger.positions.items() if held.lots},
        "horizon": ledger.horizon_ns,
    }


def test_what_was_appended_comes_again(folder: Path) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1))
    journal.append(NOW + 1, OrderAccepted("s1-1", "V1", NOW, NOW), fill(1, "X1"))
    journal.append(NOW + 2, order(2))
    again = Journal(folder, silent)
    assert plain(again.ledger) == plain(journal.ledger)
    assert again.ledger.position(SYMBOL).lots == 1
    assert again.ledger.position(SYMBOL).fees == 7
    assert list(again.ledger.open) == ["s1-1", "s1-2"]


def test_a_new_file_begins_with_all_that_has_to_be_known(folder: Path) -> None:
    journal = begun(folder, file_bytes_max=2_000)
    for number in range(1, 40):
        journal.append(NOW + number, order(number))
        journal.append(NOW + number, OrderAccepted(f"s1-{number}", "V", NOW, NOW))
        journal.append(NOW + number, fill(number, f"X{number}", 3 if number % 2 else 1))
    assert len(journal_files(folder)) > 3
    again = Journal(folder, silent)
    mine, theirs = plain(journal.ledger), plain(again.ledger)
    for one in (*theirs["open"].values(), *theirs["ended"].values(),
                *mine["open"].values(), *mine["ended"].values()):  # fmt: skip
        one.pop("asked_ns")  # of a request; there is none under way
        one.pop("sent_ns")
    assert mine == theirs


def test_a_new_file_within_a_session_changes_nothing_that_is_known(tmp_path: Path) -> None:
    """What was under way as the file began reads back as it is, once it is answered."""
    table = Table(tmp_path / "account").open().settled()
    open_order = table.send(3, 98.0)
    table.pass_s(0.2)
    waiting = table.send(2, 99.0)
    for _ in range(2):
        table.cancel(open_order)
    journal = table.desk.journal
    before = journal.path
    journal.begin_file(table.now_ns)
    assert journal.path != before
    again = Journal(table.folder, silent).ledger
    live = journal.ledger
    assert plain_of_orders(again) == plain_of_orders(live)
    assert [one.is_unknown for one in again.open.values()] == [False, False]
    assert len(again.open[open_order].cancels_ns) == 2
    table.pass_s(0.1)
    again = Journal(table.folder, silent).ledger
    assert list(again.open) == [waiting]
    assert again.open[waiting].status == live.open[waiting].status == OrderStatus.NEW
    assert not again.open[waiting].is_unknown
    for name in ("account", "session", "epoch", "state", "ending", "horizon_ns"):
        assert getattr(again, name) == getattr(live, name) != "", name
    seen = look_at_account(table.folder)
    assert (seen.account, seen.session, seen.state, seen.ended) == ("test", "s1", "ACTIVE", "")
    text = table.desk.close("done", table.now_ns)
    table.open()
    assert look_at_account(table.folder).ended == ""
    Journal(table.folder, silent).begin_file(table.now_ns)
    assert look_at_account(table.folder).session == "s2"
    assert text.startswith("done; left: 1 orders open")
    table.die()


def plain_of_orders(ledger: AccountLedger) -> dict[str, Any]:
    """As `plain`, without the times of what is under way: nobody needs them of another session."""
    found = plain(ledger)
    for one in (*found["open"].values(), *found["ended"].values()):
        one.pop("asked_ns"), one.pop("sent_ns")
        one["cancels_ns"] = len(one["cancels_ns"])
    return found


def test_how_a_session_ended_is_known_until_the_next_one_has_begun(folder: Path) -> None:
    journal = begun(folder)
    journal.append(NOW, SessionBegan(1, "mine", "s1", 1), SessionEnded("done"))
    journal.begin_file(NOW)
    seen = look_at_account(folder)
    assert (seen.account, seen.session, seen.ended) == ("mine", "s1", "done")
    journal.append(NOW, SessionBegan(1, "mine", "s2", 2))
    journal.begin_file(NOW)
    seen = look_at_account(folder)
    assert (seen.account, seen.session, seen.ended) == ("mine", "s2", "")


def test_old_files_go_where_there_are_too_many(folder: Path) -> None:
    journal = begun(folder, file_bytes_max=500, files_kept=3)
    for number in range(1, 30):
        journal.append(NOW, order(number), fill(number, "X", 3))
    assert len(journal_files(folder)) == 3
    assert journal_files(folder)[-1] == journal.path


@pytest.mark.parametrize("cut", [1, 7, 23, 24, 60])
def test_a_torn_end_is_left_out_and_told_of(folder: Path, cut: int) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1))
    size = journal.path.stat().st_size
    journal.append(NOW, order(2))
    os.truncate(journal.path, size + cut)
    told: list[str] = []
    again = Journal(folder, told.append)
    assert list(again.ledger.open) == ["s1-1"]
    assert "left out" in told[0]
    assert f"last {cut} bytes" in told[0]


def test_an_end_of_zeros_is_torn(folder: Path) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1))
    with journal.path.open("ab") as file:
        file.write(bytes(500))
    told: list[str] = []
    assert list(Journal(folder, told.append).ledger.open) == ["s1-1"]
    assert len(told) == 1


def test_damage_before_the_end_is_an_error_and_nothing_is_cut_off(folder: Path) -> None:
    journal = begun(folder)
    for number in range(1, 6):
        journal.append(NOW, order(number))
    content = bytearray(journal.path.read_bytes())
    content[len(content) // 2] ^= 1
    journal.path.write_bytes(content)
    with pytest.raises(FormatError, match=r"frame \d at byte \d+ is damaged, and frame \d"):
        Journal(folder, silent)
    assert journal.path.read_bytes() == content


def test_every_flipped_bit_is_noticed() -> None:
    draw = random.Random(5)
    data = FILE_MAGIC + b"".join(frame_of(k, [b"record", bytes(k)]) for k in range(4))
    whole = read_frames(data, "x").payloads
    for _ in range(300):
        wrong = bytearray(data)
        wrong[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        try:
            found = read_frames(bytes(wrong), "x")
        except FormatError:
            continue
        assert found.payloads == whole[:3], "only the last frame may be taken for a torn one"
        assert found.torn_bytes > 0


def test_another_file_is_no_journal(folder: Path) -> None:
    (folder / "journal-000001.twj").write_bytes(b"something else, and long enough")
    with pytest.raises(FormatError, match="expected a journal beginning with"):
        Journal(folder, silent)


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o750)
    with pytest.raises(OutputError, match=r"0700.*found mode 0750"):
        Journal(folder, silent)


def test_files_are_for_nobody_else(folder: Path) -> None:
    assert begun(folder).path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_is_the_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1))

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OutputError, match="No space left"):
        journal.append(NOW, order(2))
    monkeypatch.undo()
    with pytest.raises(OutputError, match="a write to it failed"):
        journal.append(NOW, order(3))
    assert "s1-2" not in journal.ledger.open


def test_what_waits_for_an_answer_is_unknown_after_a_cut(folder: Path) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1), order(2), order(3))
    for number in (2, 3):
        journal.append(NOW, OrderAccepted(f"s1-{number}", "V", NOW, NOW))
    journal.append(NOW, CancelOrder("s1-3", NOW))
    journal.append(NOW, BrokerDown("cut", False, NOW, NOW))
    assert [one.order.client_order_id for one in journal.ledger.unknown] == ["s1-1", "s1-3"]
    assert journal.ledger.open_lots(SYMBOL, 1) == 9


def test_an_execution_counts_once_whoever_tells_it(folder: Path) -> None:
    journal = begun(folder)
    journal.append(NOW, order(1))
    for _ in range(3):
        journal.append(NOW, fill(1, "X1", 2))
    assert journal.ledger.position(SYMBOL).lots == 2
    again = Journal(folder, silent)
    again.begin_file(NOW)
    again.append(NOW, fill(1, "X1", 2))
    assert again.ledger.position(SYMBOL).lots == 2


def test_ended_orders_are_forgotten_and_since_when_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "ENDED_KEPT", 5)
    journal = begun(folder)
    for number in range(1, 11):
        journal.append(NOW + number, order(number), fill(number, "X", 3))
    assert list(journal.ledger.ended) == [f"s1-{k}" for k in range(6, 11)]
    assert journal.ledger.horizon_ns == NOW + 5
    assert journal.ledger.position(SYMBOL).lots == 30


def test_records_are_told_one_by_one(tmp_path: Path) -> None:
    table = Table(tmp_path / "account").open().settled()
    name = table.send(2, 99.0)
    table.pass_s(0.1)
    kinds = [type(one).__name__ for one in read_records(table.desk.journal.path)]
    assert kinds.index("SessionBegan") < kinds.index("BrokerUp") < kinds.index("NewOrder")
    assert kinds.index("NewOrder") < kinds.index("OrderAccepted")
    assert name in table.desk.ledger.open
    table.die()
