"""Accounts side by side: which there are, what is read again, and that names lead nowhere else."""

import os
from pathlib import Path
from typing import Any

import pytest

from rails_desks import SYMBOL, Table
from tapewire.errors import FormatError, MissingFileError
from tapewire.live.rails import accounts
from tapewire.live.rails.accounts import answer
from tapewire.live.rails.journal import JournalTail, journal_files, read_records
from tapewire.live.rails.looking import AccountWatch, look_at_account
from tapewire.live.rails.places import account_folder, account_names
from tapewire.live.rails.switch import kill_switch, killed_because


def told_of(root: Path) -> dict[str, Any]:
    return answer({"accounts": str(root)}, lambda told: None)


def plain(folder: Path, seen: Any) -> tuple[Any, ...]:
    ledger = seen.ledger
    return (
        seen.account, seen.session, seen.ended, seen.state, seen.killed, ledger.fills,
        {name: vars(one) for name, one in ledger.open.items()},
        {name: vars(one) for name, one in ledger.ended.items()},
        {symbol: vars(one) for symbol, one in ledger.positions.items()},
    )  # fmt: skip


def test_a_watch_comes_to_what_a_look_from_the_begin_does(tmp_path: Path) -> None:
    """After each step of two sessions, and a kill; the second look reads what is new alone."""
    table = Table(tmp_path / "demo").open()
    watch = AccountWatch(table.folder)

    def agree() -> None:
        assert plain(table.folder, watch.look()) == plain(
            table.folder, look_at_account(table.folder)
        )

    agree()
    table.settled()
    for lots in (3, -2, 1):
        name = table.send(lots, table.venue.price / 1e9 - 5 * lots)
        agree()
        table.pass_s(0.3)
        agree()
        table.cancel(name)
        table.send(lots)
        table.pass_s(0.5)
        agree()
    assert watch.look().ledger.fills == 3
    table.die()
    table = Table(table.folder, venue=table.venue, now_ns=table.now_ns).open().settled()
    agree()
    kill_switch(table.folder, "enough")
    table.pass_s(1.0)
    agree()
    assert watch.look().state.startswith("KILLED")
    assert watch.look().killed == "enough"


def test_what_is_appended_is_read_once_and_a_torn_end_later(tmp_path: Path) -> None:
    table = Table(tmp_path / "demo").open().settled()
    [path] = journal_files(table.folder)
    tail = JournalTail(path)
    first = list(tail.new_records())
    assert list(tail.new_records()) == []
    whole = path.read_bytes()
    table.send(3)
    later = path.read_bytes()
    torn = later[: len(whole) + (len(later) - len(whole)) // 2]
    with path.open("r+b") as file:
        file.truncate(len(torn))
    assert list(tail.new_records()) == []
    path.write_bytes(later)  # the same file, as whole as it was going to be
    assert [*first, *tail.new_records()] == list(read_records(path))
    assert tail.is_of(path)
    path.write_bytes(whole)
    assert not tail.is_of(path)
    flipped = bytearray(later)
    flipped[len(whole) + 30] ^= 1
    path.write_bytes(flipped)
    assert list(JournalTail(path).new_records()) == first  # a last frame may always be torn
    with pytest.raises(FormatError, match="longer than any journal"):
        list(JournalTail(path).new_records(100))


def test_damage_behind_what_was_read_is_named_where_it_is(tmp_path: Path) -> None:
    table = Table(tmp_path / "demo").open().settled()
    [path] = journal_files(table.folder)
    tail = JournalTail(path)
    list(tail.new_records())
    at = path.stat().st_size
    table.send(3)
    table.pass_s(0.5)
    damaged = bytearray(path.read_bytes())
    damaged[at + 40] ^= 1
    path.write_bytes(damaged)
    said = []
    for one in (tail, JournalTail(path)):
        with pytest.raises(FormatError, match=f"at byte {at} is damaged") as error:
            list(one.new_records())
        said.append(str(error.value))
    assert said[0] == said[1]


def test_all_accounts_are_told_of_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    root = tmp_path / "accounts"
    root.mkdir()
    table = Table(root / "demo").open().settled()
    table.send(3)
    table.send(-2, table.venue.price / 1e9 + 5)
    table.pass_s(0.5)
    (root / "torn").mkdir()
    (root / "torn" / "journal-000001.twj").write_bytes(b"no journal")
    kill_switch(root / "torn", "never again")
    (root / "empty").mkdir()
    (root / "a file").write_text("")
    (root / ".hidden").mkdir()
    (root / "link").symlink_to(root / "demo")
    (root / "abroad").mkdir()
    (root / "abroad" / "journal-000001.twj").symlink_to(journal_files(root / "demo")[0])
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    (root / "abroad" / "KILL").symlink_to(secret)
    found = told_of(root)
    assert [one["name"] for one in found["accounts"]] == ["abroad", "demo", "empty", "torn"]
    abroad, demo, empty, torn = found["accounts"]
    assert "found a link" in abroad["problem"]
    assert abroad["killed"].startswith("abroad/KILL can't be read")
    assert "s3cret" not in str(found)
    assert (demo["account"], demo["killed"], demo["open_orders"]) == ("test", None, 1)
    assert demo["positions"] == [{"symbol": SYMBOL, "lots": 3}]
    assert "expected an account's folder with its journal" in empty["problem"]
    assert "expected a journal beginning with" in torn["problem"]
    assert torn["killed"] == "never again"
    assert str(tmp_path) not in str(found)
    assert told_of(root) == found


def test_bounds_of_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"a{number}").mkdir()
    monkeypatch.setattr(accounts, "ACCOUNTS_MAX", 3)
    found = told_of(tmp_path)
    assert ([one["name"] for one in found["accounts"]], found["left_out"]) == (
        ["a0", "a1", "a2"], 2,
    )  # fmt: skip
    monkeypatch.setattr(accounts, "LOOK_S", -1.0)
    assert all("ask again" in one["problem"] for one in told_of(tmp_path)["accounts"])
    with pytest.raises(MissingFileError, match="expected a folder"):
        told_of(tmp_path / "none")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../demo", "demo/", "demo/inner", "/etc", "a\0b", "link", "a file", "no"],
)
def test_no_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    root = tmp_path / "accounts"
    (root / "demo" / "inner").mkdir(parents=True)
    (tmp_path / "demo").mkdir()
    (root / "a file").write_text("")
    (root / "link").symlink_to(tmp_path / "demo")
    assert account_folder(root, "demo") == root / "demo"
    assert account_names(root) == ["demo"]
    with pytest.raises(MissingFileError, match="expected the name of a folder of accounts"):
        account_folder(root, name)


def test_whatever_is_called_kill_kills(tmp_path: Path) -> None:
    """A pipe is not waited for, a link that leads nowhere counts."""
    assert killed_because(tmp_path) is None
    path = tmp_path / "KILL"
    os.mkfifo(path)
    assert killed_because(tmp_path) == f"{path} is there"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert "can't be read" in str(killed_because(tmp_path))
    path.unlink()
    path.mkdir()
    assert "can't be read" in str(killed_because(tmp_path))
