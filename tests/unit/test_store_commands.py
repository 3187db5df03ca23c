"""``tapewire store …``: what it says, what it writes, and what is typed wrong."""

import json
from pathlib import Path

import pytest

from conftest import TapewireHere
from stores import Databases, filled
from tapewire.store import Store
from tapewire.store.migrating import newest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Store.open(str(tmp_path / "tapewire.db")) as opened:
        filled(opened, 4)
    return tmp_path / "tapewire.db"


def test_a_store_is_backed_up_and_restored(
    tapewire_here: TapewireHere, store: Path, tmp_path: Path
) -> None:
    done = tapewire_here("store", "backup", "a.backup")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tapewire.db is backed up in a.backup: ")
    again = tapewire_here("store", "backup", "a.backup")
    assert (again.returncode, again.stderr) == (
        4, "error: a.backup: is there already; choose another name, or --force to replace it\n"
    )  # fmt: skip
    told = json.loads(tapewire_here("store", "backup", "a.backup", "--force", "--json").stdout)
    assert told == {
        "store": "tapewire.db", "backup": "a.backup",
        "bytes": (tmp_path / "a.backup").stat().st_size,
    }  # fmt: skip
    refused = tapewire_here("store", "restore", "a.backup")
    assert refused.returncode == 7
    assert "expected an empty store, found rows in strategies" in refused.stderr
    done = tapewire_here("store", "restore", "a.backup", "--store", "sqlite:///again.db")
    assert (done.returncode, done.stdout) == (0, "again.db is as in a.backup\n")
    done = tapewire_here("store", "restore", "a.backup", "--force", "--json")
    assert json.loads(done.stdout) == {"store": "tapewire.db", "backup": "a.backup"}
    with Store.open(str(tmp_path / "again.db"), create=False) as restored:
        assert len(restored.strategies().rows) == 4


def test_a_store_is_checked(tapewire_here: TapewireHere, store: Path) -> None:
    done = tapewire_here("store", "check")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == (f"tapewire.db: tables of version {newest()}", "  sound")
    assert "  strategies                    4" in lines
    with Store.open(str(store)) as opened, opened.writing("forge") as connection:
        connection.exec_driver_sql("UPDATE generations SET trials = 77")
    done = tapewire_here("store", "check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"] == [
        "searches whose trials are not those of their batches: 1",
        "datasets with fewer trials than their searches have: 1",
    ]


def test_a_store_is_migrated(tapewire_here: TapewireHere, store: Path) -> None:
    done = tapewire_here("store", "migrate", "--to", "0001")
    assert done.returncode == 2
    assert f"the way down from {newest()} loses tables; --force to go it" in done.stderr
    done = tapewire_here("store", "migrate", "--to", "0001", "--force")
    assert done.stdout == f"tapewire.db: tables of version 0001, from {newest()}\n"
    older = tapewire_here("store", "check")
    assert older.returncode == 7
    assert "found the older 0001: back it up, then tapewire store migrate" in older.stderr
    told = json.loads(tapewire_here("store", "migrate", "--json").stdout)
    assert told == {"store": "tapewire.db", "from": "0001", "to": newest()}
    assert tapewire_here("store", "migrate").stdout.endswith(f"version {newest()}, as they were\n")


def test_what_is_not_there_is_not_made(tapewire_here: TapewireHere, tmp_path: Path) -> None:
    for words in (("backup", "a"), ("check",), ("migrate",)):
        done = tapewire_here("store", *words)
        assert done.returncode == 7
        assert done.stderr == (
            "error: tapewire.db: expected a store, found nothing there; name it by --store\n"
        )
    done = tapewire_here("store", "restore", "a")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: a: cannot be read: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_named_by_the_environment_and_no_password_is_shown(
    tapewire_here: TapewireHere, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.new().replace("postgres:@", "postgres:hidden@")
    monkeypatch.setenv("TAPEWIRE_STORE", url)
    for words in (("check",), ("backup", "a"), ("migrate",), ("restore", "a", "--force")):
        done = tapewire_here("store", *words)
        assert done.returncode == 0, done.stderr
        assert "hidden" not in done.stdout + done.stderr
        assert "postgres:***@" in done.stdout
    wrong = tapewire_here("store", "restore", "a", "--store", "x.db")
    assert wrong.returncode == 7
    assert "expected a backup of SQLite, as x.db is, found one of PostgreSQL" in wrong.stderr


def test_what_is_no_backup_is_called_so(tapewire_here: TapewireHere, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello")
    wrong = tapewire_here("store", "restore", "notes", "--store", "x.db")
    assert wrong.returncode == 7
    assert "expected a backup of SQLite, as x.db is, found another kind of file" in wrong.stderr
    assert not (tmp_path / "x.db").exists()
