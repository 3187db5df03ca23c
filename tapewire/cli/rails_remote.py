"""``tapewire rails … --server``: accounts at a broker that a server knows of."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tapewire.cli.remote import known_server
from tapewire.errors import MissingFileError
from tapewire.wire.codec import printable

if TYPE_CHECKING:
    from tapewire.services.client.broker_accounts import ServerAccount


def show_there(server: str, name: str | None, as_json: bool) -> None:
    """Show one account of a server, or all.

    Raises
    ------
    MissingFileError
        If there is none of that name, or the server has none at all.
    """
    with known_server(server) as client:
        accounts, left_out = client.list_accounts()
        if not accounts and (why := client.why_no_accounts()):
            raise MissingFileError(why)
    shown = [one for one in accounts if name in (None, one.name)]
    if name is not None and not shown:
        raise MissingFileError(f"account: expected one of {server}, found none called {name!r}")
    if as_json:
        print(json.dumps({"accounts": [asdict(one) for one in shown], "left_out": left_out}))
        return
    for one in shown:
        print("\n".join(printable(line) for line in _lines(one)))
    if not shown:
        print("no accounts")
    if left_out and name is None:
        print(f"{left_out:,} more are not shown")


def kill_there(server: str, name: str, why: str) -> None:
    """Kill an account of a server."""
    with known_server(server) as client:
        killed, was_killed = client.kill_account(name, why)
    said = printable(f"{name}: {'was ' * was_killed}killed: {killed}")
    print(f"{said}; tapewire rails show {printable(name)} --server {server} has what is left",
          file=sys.stderr)  # fmt: skip


def _lines(one: "ServerAccount") -> list[str]:
    told = f"{one.name}  "
    if one.problem:
        told += one.problem
    else:
        ending = f"ended: {one.ended}" if one.ended else one.state or "begun"
        told += f"account {one.account}, session {one.session}, {ending}"
    lines = [told]
    lines += [f"  KILLED: {one.killed}"] if one.killed is not None else []
    if one.problem:
        return lines
    unknown = f", {one.unknown_orders:,} of unknown outcome" if one.unknown_orders else ""
    lines += [f"  {one.open_orders:,} orders open{unknown}"]
    lines += [f"  {symbol}  {lots:+,} lots" for symbol, lots in one.positions.items()]
    more = one.positions_total - len(one.positions)
    return lines + ([f"  {more:,} more positions"] if more else [])
