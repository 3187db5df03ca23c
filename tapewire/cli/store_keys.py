"""``tapewire store keys …``: keys of exchanges that a store keeps for its users, sealed."""

import json
import os
import sys
from typing import Annotated, Any

import typer

from tapewire.cli.store_options import DEFAULT, StoreUrl

app = typer.Typer(
    name="keys",
    help="Keep keys of exchanges in a store, sealed by what TAPEWIRE_SECRET_KEYS has.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_User = Annotated[str, typer.Option("--user", metavar="NAME", help="Whose it is.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the key, among its owner's.")]


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire store keys add main --user ada --exchange cme < key.txt"
)
def add(
    name: _Name,
    user: _User,
    exchange: Annotated[str, typer.Option("--exchange", help="Where it is good.")],
    store: StoreUrl = DEFAULT,
    as_json: _AsJson = False,
) -> None:
    """Keep a secret, read from standard input to its end; it is never shown again."""
    from tapewire.services.auth.keeping import keep, owner_of
    from tapewire.store import Store

    ring = _ring()
    secret = sys.stdin.buffer.read(1 << 16).removesuffix(b"\n")
    with Store.open(store, create=False) as opened:
        owner = owner_of(opened, user)
        found = keep(opened, ring, owner.id, name, exchange, secret, by=_who())
    said = f"{user}'s key {name} for {exchange} is kept, sealed by {found.sealing_key_id}"
    _say({"id": found.id, "name": name, "sealed_by": found.sealing_key_id}, said, as_json=as_json)


@app.command("list", epilog="[bold]Example[/bold]\n\ntapewire store keys list --user ada")
def list_(
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Whose; else everybody's.")
    ] = None,
    store: StoreUrl = DEFAULT,
    as_json: _AsJson = False,
) -> None:
    """List keys, without secrets."""
    from tapewire.services.auth.keeping import owner_of
    from tapewire.store import Store
    from tapewire.store.vault import list_keys

    with Store.open(store, create=False) as opened:
        found = list_keys(opened, owner_of(opened, user).id if user else None)
    told = [
        {
            "owner": one.owner, "name": one.name, "exchange": one.exchange,
            "sealed_by": one.sealing_key_id, "created_at": one.created_at.isoformat(),
        }
        for one in found
    ]  # fmt: skip
    lines = [
        f"{one['owner']:<16} {one['name']:<20} {one['exchange']:<12} {one['sealed_by']}"
        for one in told
    ]
    _say({"keys": told}, "\n".join(lines) or "no keys are kept", as_json=as_json)


@app.command(epilog="[bold]Example[/bold]\n\ntapewire store keys remove main --user ada")
def remove(name: _Name, user: _User, store: StoreUrl = DEFAULT, as_json: _AsJson = False) -> None:
    """Remove a key."""
    from tapewire.services.auth.keeping import owner_of
    from tapewire.store import Store
    from tapewire.store.vault import remove_key

    with Store.open(store, create=False) as opened:
        remove_key(opened, owner_of(opened, user).id, name, by=_who())
    _say({"removed": name}, f"{user}'s key {name} is removed", as_json=as_json)


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "TAPEWIRE_SECRET_KEYS=new:…,old:… tapewire store keys rotate      then drop the old one"
)
def rotate(store: StoreUrl = DEFAULT, as_json: _AsJson = False) -> None:
    """Seal every key anew with the first of TAPEWIRE_SECRET_KEYS: all of them, or none."""
    from tapewire.services.auth.keeping import rotated
    from tapewire.store import Store

    ring = _ring()
    with Store.open(store, create=False) as opened:
        count = rotated(opened, ring, by=_who())
    newest = ring.newest
    _say({"rotated": count, "sealed_by": newest}, f"{count:,} keys are sealed by {newest} now",
         as_json=as_json)  # fmt: skip


def _ring() -> Any:
    from tapewire.services.auth.sealing import VARIABLE, KeyRing

    return KeyRing.of_text(os.environ.get(VARIABLE, ""))


def _who() -> str:
    """Who types this, for the audit log."""
    return f"{os.environ.get('USER', 'somebody')} by the command line"


def _say(told: dict[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(told) if as_json else text)
