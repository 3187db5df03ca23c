"""One session per account: a second one is refused, a dead one's lease taken over."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tapewire.errors import LeaseError
from tapewire.live.rails import lease as lease_module
from tapewire.live.rails.lease import LEASE_FILE, Lease, LeaseHolder

HOLD = """
import os, sys, pathlib, time
from tapewire.live.rails.lease import Lease
lease = Lease(pathlib.Path(sys.argv[1]), "a", 5)
print(lease.epoch, flush=True)
time.sleep(60)
"""


def test_a_second_session_is_refused_with_who_holds_the_account(tmp_path: Path) -> None:
    first = Lease(tmp_path, "a", 7)
    assert first.epoch == 1
    with pytest.raises(LeaseError, match=rf"another session.*pid {os.getpid()} on .*epoch 1"):
        Lease(tmp_path, "a", 8)
    first.require_held()
    first.give_back()
    second = Lease(tmp_path, "a", 9)
    assert second.epoch == 2
    assert second.before is not None
    assert second.before.is_given_back
    second.give_back()


def test_a_dead_holders_lease_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"1\n"
        with pytest.raises(LeaseError, match=f"pid {holder.pid}"):
            Lease(tmp_path, "a", 6)
        holder.kill()
    taken = Lease(tmp_path, "a", 6)
    assert taken.epoch == 2
    assert taken.before is not None
    assert not taken.before.is_given_back
    taken.give_back()


def test_who_lost_the_file_is_fenced_off(tmp_path: Path) -> None:
    old = Lease(tmp_path, "a", 1)
    (tmp_path / LEASE_FILE).unlink()
    new = Lease(tmp_path, "a", 2)
    with pytest.raises(LeaseError, match=r"epoch 1 is lost.*nothing is sent"):
        old.require_held()
    new.require_held()
    old.give_back()
    new.require_held()
    new.give_back()


def test_an_epoch_that_was_counted_on_is_noticed(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "a", 1)
    holder = msgspec.structs.replace(lease.holder, epoch=2)
    (tmp_path / LEASE_FILE).write_bytes(msgspec.json.encode(holder))
    with pytest.raises(LeaseError, match="lost"):
        lease.require_held()


def test_the_epoch_passes_that_of_a_journal(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "a", 1)
    lease.raise_epoch(41)
    assert lease.epoch == 42
    lease.raise_epoch(7)
    assert lease.epoch == 42
    lease.require_held()
    lease.give_back()
    assert Lease(tmp_path, "a", 1).epoch == 43


def test_another_host_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = LeaseHolder("a", 3, 5, "elsewhere", "boot", 1)
    (tmp_path / LEASE_FILE).write_bytes(msgspec.json.encode(elsewhere))
    with pytest.raises(LeaseError, match=r"elsewhere.*another host"):
        Lease(tmp_path, "a", 1)
    taken = Lease(tmp_path, "a", 1, takes_over_host=True)
    assert taken.epoch == 4
    assert taken.holder.host == socket.gethostname()
    assert taken.holder.boot_id == lease_module._boot_id()


def test_a_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    Lease(tmp_path, "a", 1).give_back()
    with pytest.raises(LeaseError, match="expected the lease of 'b', found that of 'a'"):
        Lease(tmp_path, "b", 1)


def test_a_file_that_says_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / LEASE_FILE).write_bytes(b"{not json")
    with pytest.raises(LeaseError, match="expected who holds the account"):
        Lease(tmp_path, "a", 1)
