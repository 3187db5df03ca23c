"""Files of keys, lists of those who may connect, and what of them is refused."""

import os
from pathlib import Path

import pytest
import zmq.auth

from tapewire.errors import ConfigError, OutputError
from tapewire.wire.keys import (
    ALLOWED_MAX,
    ClientKeys,
    KeyPair,
    ServerKeys,
    is_key,
    make_pair,
    names_file,
    read_allowed,
    read_pair,
    read_public,
    write_pair,
)


def test_a_pair_is_written_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    os.umask(before := os.umask(0))
    os.umask(0)  # the loosest there is
    try:
        public_file, secret_file = write_pair(tmp_path / "keys", "run")
    finally:
        os.umask(before)
    assert (public_file.name, secret_file.name) == ("run.key", "run.key_secret")
    assert secret_file.stat().st_mode & 0o777 == 0o600
    pair = read_pair(secret_file)
    assert read_public(str(public_file)) == {pair.public}
    assert pair.secret not in public_file.read_text()
    # Other users of ZeroMQ read them, too.
    assert zmq.auth.load_certificate(secret_file) == (pair.public.encode(), pair.secret.encode())


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    pair = make_pair()
    for one in (pair, ServerKeys(pair, frozenset()), ClientKeys(pair, "x")):
        assert pair.secret not in repr(one)


def test_keys_are_never_replaced(tmp_path: Path) -> None:
    _, secret_file = write_pair(tmp_path, "run")
    before = secret_file.read_text()
    with pytest.raises(OutputError, match="is there already, and keys are never replaced"):
        write_pair(tmp_path, "run")
    assert secret_file.read_text() == before


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../x", "a" * 65, "-o"])
def test_a_name_is_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name of up to 64"):
        write_pair(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    _, secret_file = write_pair(tmp_path, "run")
    secret_file.chmod(mode)
    with pytest.raises(
        ConfigError, match=rf"only you may read \(mode 0600\), found mode {mode:04o}"
    ):
        read_pair(secret_file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "found none or malformed ones"),
        ('public-key = "abc"\nsecret-key = "def"', "found none or malformed ones"),
        ('public-key = "{a.public}"', "found none or malformed ones"),
        ('public-key = "{a.public}"\nsecret-key = "{b.secret}"', "does not belong to its secret"),
        ("#" * 5_000, "of at most 4,096 bytes, found more"),
    ],
)
def test_a_file_that_holds_no_pair(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.key_secret"
    path.write_text(content.format(a=make_pair(), b=make_pair()))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=said) as caught:
        read_pair(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigError, match="found no plain file"):
        read_pair(pipe)
    with pytest.raises(ConfigError, match="No such file"):
        read_pair(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="null"):
        read_pair(Path("x\0y"))


def test_a_list_has_keys_files_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    pairs = [read_pair(write_pair(folder, name)[1]) for name in ("a", "b")]
    alone, listed = write_pair(tmp_path, "c")[0], make_pair()
    found = read_allowed([str(folder), str(alone), listed.public])
    assert found == {*(pair.public for pair in pairs), *read_public(str(alone)), listed.public}
    assert len(found) == 4


@pytest.mark.parametrize("entry", ["x", "nothing.key", "~" * 40, "#" * 40, "a" * 41, "x" * 300])
def test_what_is_neither_key_nor_file(entry: str) -> None:
    assert not is_key(entry)
    with pytest.raises(ConfigError, match="expected a public key of 40 characters, or a file"):
        read_allowed([entry])


def test_a_name_of_a_file_is_none_of_a_key_however_long_it_is(tmp_path: Path) -> None:
    entry = "a" * 36 + ".key"
    assert is_key(entry)
    assert names_file(entry, tmp_path)
    key = make_pair().public
    assert not names_file(key, tmp_path)


def test_an_empty_folder_lets_nobody_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected files \*\.key in the folder, found none"):
        read_public(str(tmp_path))


def test_the_list_is_bounded() -> None:
    keys = [make_pair().public for _ in range(ALLOWED_MAX + 1)]
    assert len(read_allowed(keys[1:])) == ALLOWED_MAX
    with pytest.raises(ConfigError, match="at most 1,024 public keys"):
        read_allowed(keys)


def test_a_secret_file_is_no_public_one(tmp_path: Path) -> None:
    """Its public key is the one it has: whoever names it means that."""
    _, secret_file = write_pair(tmp_path, "run")
    pair: KeyPair = read_pair(secret_file)
    assert read_public(str(secret_file)) == {pair.public}


def test_the_command_makes_pairs_and_says_what_is_for_whom(tapewire_here, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = tapewire_here("bridge", "keys", "-o", "keys", "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "keys/run.key: public, for the other end",
        "keys/run.key_secret: secret, for nobody else",
    ]
    pair = read_pair(tmp_path / "keys" / "run.key_secret")
    assert pair.secret not in done.stdout + done.stderr
    again = tapewire_here("bridge", "keys", "-o", "keys", "run")
    assert again.returncode == 4
    assert "is there already" in again.stderr


def test_keys_are_made_and_shown(tapewire_here, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = {name: tapewire_here("keys", "new", name, "-o", "keys") for name in ("run", "model")}
    for name, done in made.items():
        assert done.returncode == 0, done.stderr
        pair = read_pair(tmp_path / "keys" / f"{name}.key_secret")
        assert (tmp_path / "keys" / f"{name}.key_secret").stat().st_mode & 0o777 == 0o600
        assert done.stdout == f"{pair.public}\n"
        assert pair.secret not in done.stdout + done.stderr
        for suffix in ("key", "key_secret"):
            shown = tapewire_here("keys", "public", f"keys/{name}.{suffix}")
            assert (shown.returncode, shown.stdout) == (0, f"{pair.public}\n"), shown.stderr
    both = tapewire_here("keys", "public", "keys")
    assert both.stdout.split() == sorted(done.stdout.strip() for done in made.values())
    before = (tmp_path / "keys" / "run.key_secret").read_bytes()
    again = tapewire_here("keys", "new", "run", "-o", "keys")
    assert (again.returncode, again.stdout) == (4, "")
    assert "is there already, and keys are never replaced" in again.stderr
    assert (tmp_path / "keys" / "run.key_secret").read_bytes() == before
    for wrong in ("none.key", made["run"].stdout.strip()):
        refused = tapewire_here("keys", "public", wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: ")
        assert refused.stderr.count("\n") == 1
    (tmp_path / "keys" / "run.key_secret").chmod(0o640)
    loose = tapewire_here("keys", "public", "keys/run.key_secret")
    assert loose.returncode == 2
    assert "expected a file that only you may read (mode 0600)" in loose.stderr
    for command in ((), ("new",), ("public",)):
        taught = tapewire_here("keys", *command, "--help").stdout
        assert "Usage" in taught
        assert not command or "tapewire keys" in taught.partition("Examples")[2]
