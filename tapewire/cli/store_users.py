"""``tapewire store users …``: who may call a server of this store, kept where that store is."""

import json
import os
import sys
from typing import Annotated, Any

import typer

from tapewire.cli.store_options import DEFAULT, StoreUrl

app = typer.Typer(
    name="users",
    help="Add and list users of a store's servers; the first administrator is made by this.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog="[bold]Example[/bold]\n\ntapewire store users add ada --role admin < password.txt"
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    role: Annotated[
        str, typer.Option("--role", help="admin, trader, researcher or viewer.")
    ] = "viewer",
    email: Annotated[str, typer.Option("--email", help="An address, for people.")] = "",
    store: StoreUrl = DEFAULT,
    as_json: _AsJson = False,
) -> None:
    """Add a user; the password is the first line of standard input."""
    from tapewire.services.auth import PasswordHasher
    from tapewire.store import Store

    kept = PasswordHasher().hashed(sys.stdin.readline().rstrip("\n"))
    who = f"{os.environ.get('USER', 'somebody')} by the command line"
    with Store.open(store) as opened:
        user = opened.add_user(name, role, kept, email=email, by=who)
    told = {"id": user.id, "name": user.name, "role": user.role}
    _say(told, f"{user.name} is a user: {user.role}", as_json=as_json)


@app.command("list", epilog="[bold]Example[/bold]\n\ntapewire store users list --json")
def list_(store: StoreUrl = DEFAULT, as_json: _AsJson = False) -> None:
    """List users."""
    from tapewire.store import Store

    found: list[Any] = []
    with Store.open(store, create=False) as opened:
        while page := opened.users(after=found[-1].id if found else 0):
            found += page
    told = [
        {"id": one.id, "name": one.name, "role": one.role, "disabled": not one.is_active}
        for one in found
    ]
    lines = [f"{one['name']:<24} {one['role']:<11} {'disabled' * one['disabled']}" for one in told]
    _say({"users": told}, "\n".join(lines) or "no users", as_json=as_json)


def _say(told: dict[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(told) if as_json else text)
