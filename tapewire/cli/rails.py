"""``tapewire rails …``: an account's rails from beside them: look, kill, reset."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from tapewire.live.rails.ledger import RailsOrder
    from tapewire.live.rails.looking import AccountSeen

app = typer.Typer(
    name="rails",
    help="Look at an account's rails, stop all of it, let it trade again.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The account's folder.")]
#: Not by TAPEWIRE_SERVER, as elsewhere: what is to be killed here must never be looked for there.
Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="HOST:PORT", show_default=False,
        help="An account of a server (tapewire serve --accounts), by its name there.",
    ),
]  # fmt: skip
_SHOW: Final = (
    "[bold]Examples[/bold]\n\ntapewire rails show accounts/demo --json\n\n"
    "tapewire rails show --server 127.0.0.1:50051"
)
_KILL: Final = (
    "[bold]Examples[/bold]\n\ntapewire rails kill accounts/demo --why 'wrong parameters'\n\n"
    "tapewire rails kill demo --server 127.0.0.1:50051"
)


@app.command("show", epilog=_SHOW)
def show(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            show_default=False,
            help="The account's folder; with --server one of its accounts, or all.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    server: Server = None,
) -> None:
    """Show what an account's journal comes to: state, positions, open orders.

    It may be written meanwhile: what is shown is as of the last whole record.
    """
    if server is not None:
        from tapewire.cli.rails_remote import show_there

        show_there(server, None if folder is None else str(folder), as_json)
        return
    from tapewire.errors import ConfigError
    from tapewire.live.rails.looking import look_at_account

    if folder is None:
        raise ConfigError("FOLDER: expected an account's folder, or --server, found neither")
    seen = look_at_account(folder)
    if as_json:
        print(json.dumps(_json(seen), indent=2))
        return
    print(f"account {seen.account}, session {seen.session}{_ending(seen)}")
    if seen.killed is not None:
        print(f"KILLED: {seen.killed}")
    held = {symbol: one for symbol, one in seen.ledger.positions.items() if one.lots}
    for symbol, position in held.items():
        print(f"{symbol}  {position.lots:+,} lots")
    for order in seen.ledger.open.values():
        print("  ".join(_words(order)))
    if not held and not seen.ledger.open:
        print("nothing is held or open")


@app.command("kill", epilog=_KILL)
def kill(
    folder: Folder,
    why: Annotated[
        str, typer.Option("--why", help="Is kept, and told whoever asks.")
    ] = "by hand, from the command line",
    server: Server = None,
) -> None:
    """Have an account's rails cancel everything, and send no more orders until a reset.

    It holds for the session that runs and for all that come. Whether positions are closed, too, is
    the settings' on_kill.
    """
    if server is not None:
        from tapewire.cli.rails_remote import kill_there

        kill_there(server, str(folder), why)
        return
    from tapewire.live.rails.switch import kill_switch

    path = kill_switch(folder, why)
    print(f"{path}: killed; tapewire rails show {folder} has what is left", file=sys.stderr)


@app.command("reset", epilog="[bold]Example[/bold]\n\ntapewire rails reset accounts/demo")
def reset(
    folder: Folder,
    typed: Annotated[
        str | None,
        typer.Option("--confirm", help="What would be asked for: 'reset ' and the account's name."),
    ] = None,
) -> None:
    """Take the kill switch of an account away: its next session may trade.

    Here alone, by a person: no server does it.
    """
    from tapewire.live.rails.looking import look_at_account
    from tapewire.live.rails.switch import reset_confirmation_of, reset_kill_switch

    account = look_at_account(folder).account
    if typed is None:
        expected = reset_confirmation_of(account)
        typed = typer.prompt(f"type {expected!r} to let it trade again", err=True)
    was_there = reset_kill_switch(folder, account, typed)
    said = "may trade again" if was_there else "was not killed"
    print(f"{account} {said}", file=sys.stderr)


def _ending(seen: "AccountSeen") -> str:
    return f", ended: {seen.ended}" if seen.ended else f", {seen.state or 'begun'}"


def _words(order: "RailsOrder") -> list[str]:
    from tapewire.execution.codes import Side

    asked = order.order
    words = [
        asked.client_order_id, Side(asked.side).name, f"{order.quantity:,}", asked.symbol,
        f"filled {order.filled:,}", order.status.name,
    ]  # fmt: skip
    return [*words, "OUTCOME UNKNOWN"] if order.is_unknown else words


def _json(seen: "AccountSeen") -> dict[str, Any]:
    from tapewire.execution.codes import OrderType, Side
    from tapewire.market.records import UNDEF_PRICE

    return {
        "account": seen.account, "session": seen.session, "ended": seen.ended or None,
        "state": seen.state or None, "killed": seen.killed, "fills": seen.ledger.fills,
        "positions": {s: one.lots for s, one in seen.ledger.positions.items() if one.lots},
        "open_orders": [
            {
                "client_order_id": one.order.client_order_id, "symbol": one.order.symbol,
                "side": Side(one.order.side).name,
                "order_type": OrderType(one.order.order_type).name,
                "price": None if one.price == UNDEF_PRICE
                else f"{Decimal(one.price).scaleb(-9).normalize():f}",
                "quantity": one.quantity, "filled_qty": one.filled, "status": one.status.name,
                "is_unknown": one.is_unknown,
            }
            for one in seen.ledger.open.values()
        ],
    }  # fmt: skip
