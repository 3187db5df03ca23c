"""Accounts at a broker that a server knows of, as Python: seen, and killed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tapewire.services.client.jobs import JobCalls
from tapewire.services.proto import live_pb2, live_pb2_grpc


@dataclass(frozen=True)
class ServerAccount:
    """An account, as its journal on the server's host has it.

    Attributes
    ----------
    name : str
        Of its folder there; what `BrokerAccountCalls.kill_account` takes.
    account, session : str
        As its rails call it, and its last session.
    ended, state : str
        How that one ended, empty while it goes on; what it was allowed last.
    killed : str or None
        Why nothing may be sent; None: the kill switch is not on.
    open_orders, unknown_orders : int
        Orders that may fill, and those of them whose outcome nobody knows.
    positions : dict of int by str
        Lots by instrument, below 0 short, of those that are not flat: the first hundred.
    positions_total : int
        How many there are.
    problem : str
        Why its journal can't be told; then only ``name`` and ``killed`` are.
    """

    name: str
    account: str
    session: str
    ended: str
    state: str
    killed: str | None
    open_orders: int
    unknown_orders: int
    positions: Mapping[str, int]
    positions_total: int
    problem: str


class BrokerAccountCalls(JobCalls):
    """The calls of a client that are about accounts at a broker, and those about jobs."""

    def list_accounts(self) -> tuple[list[ServerAccount], int]:
        """Return the accounts of a server, a hundred at most, and how many more there are.

        A server that was given no folder of accounts has none.
        """
        found = self._accounts_told()
        return [_account(one) for one in found.accounts], int(found.left_out)

    def why_no_accounts(self) -> str:
        """Return why a server knows of no accounts; empty: it has a folder of them."""
        return str(self._accounts_told().none_because)

    def kill_account(self, name: str, why: str = "") -> tuple[str, bool]:
        """Have an account's rails cancel everything and send no more orders.

        Only a person on the server's host lets it trade again.

        Parameters
        ----------
        name
            Of its folder there.
        why
            Is kept, and told whoever asks.

        Returns
        -------
        str
            Why it is killed: who killed it first, and what they said.
        bool
            Whether it was killed before.

        Raises
        ------
        ServerRefusal
            If there is no such account, one may not, or the kill could not be written.
        PeerLostError
            If the server does not answer: at once, as there may be a shorter way to stop it.
        """
        request = live_pb2.KillAccountRequest(name=name, why=why)
        stub = live_pb2_grpc.LiveTradingServiceStub(self._channel)
        found = self._call(stub.KillAccount, request)
        return str(found.killed), bool(found.was_killed)

    def _accounts_told(self) -> Any:
        stub = live_pb2_grpc.LiveTradingServiceStub(self._channel)
        return self._call(stub.ListAccounts, live_pb2.ListAccountsRequest())


def _account(one: Any) -> ServerAccount:
    return ServerAccount(
        one.name, one.account, one.session, one.ended, one.state,
        one.killed if one.HasField("killed") else None, one.open_orders, one.unknown_orders,
        {held.symbol: held.lots for held in one.positions}, one.positions_total, one.problem,
    )  # fmt: skip
