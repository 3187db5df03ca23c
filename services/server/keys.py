"""``KeyService``: keys of exchanges that their owner keeps here, sealed."""

from typing import Any

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.auth.keeping import keep
from tapewire.services.auth.sealing import VARIABLE, KeyRing
from tapewire.services.proto import keys_pb2 as pb
from tapewire.services.proto import keys_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CALLER
from tapewire.store.vault import KeyRecord, list_keys, remove_key


class Keys(keys_pb2_grpc.KeyServiceServicer):
    """Answers calls of ``KeyService``.

    Parameters
    ----------
    database
    ring
        What seals; None: this server was started without, and keeps no keys.
    """

    def __init__(self, database: Database, ring: KeyRing | None) -> None:
        self._database, self._ring = database, ring

    async def AddKey(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Seal a secret, and keep it."""
        ring = self._ring
        if ring is None:
            raise ConfigError(f"keys: expected a server that was started with {VARIABLE}")
        owner_id, by = _caller()
        name, exchange, secret = request.name, request.exchange, request.secret
        found = await self._database.ask(
            "add_key", lambda store: keep(store, ring, owner_id, name, exchange, secret, by=by)
        )
        return pb.AddKeyResponse(key=_shown(found))

    async def ListKeys(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give the caller's keys, without secrets."""
        owner_id, _ = _caller()
        found = await self._database.ask("list_keys", lambda store: list_keys(store, owner_id))
        return pb.ListKeysResponse(keys=[_shown(one) for one in found])

    async def RemoveKey(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Remove one of the caller's keys."""
        owner_id, by = _caller()
        name = request.name
        await self._database.ask(
            "remove_key", lambda store: remove_key(store, owner_id, name, by=by)
        )
        return pb.RemoveKeyResponse()


def _caller() -> tuple[int, str]:
    claims = CALLER.get().claims
    assert claims is not None
    return int(claims.user_id), claims.name


def _shown(one: KeyRecord) -> Any:
    shown = pb.Key(
        id=one.id, name=one.name, exchange=one.exchange, sealing_key_id=one.sealing_key_id
    )
    shown.created_at.FromDatetime(one.created_at)
    return shown
