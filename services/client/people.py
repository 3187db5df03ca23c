"""Users of a server, what they did, and keys of exchanges, as Python."""

import json
from collections.abc import Iterator
from typing import Any

from tapewire.errors import ConfigError
from tapewire.services.client.jobs import JobCalls, new_key
from tapewire.services.client.plain import given, plain
from tapewire.services.proto import accounts_pb2, accounts_pb2_grpc, keys_pb2, keys_pb2_grpc


class PeopleCalls(JobCalls):
    """The calls of an administrator's client, and those about one's own keys of exchanges."""

    # --- users ------------------------------------------------------------------------------------

    def users(self, *, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Give all users, page after page: ``id``, ``name``, ``email``, ``role``, ``disabled``."""
        token = ""
        while True:
            request = accounts_pb2.ListUsersRequest(page_size=page_size, page_token=token)
            page = self._call(self._people.ListUsers, request)
            yield from map(plain, page.users)
            token = page.next_page_token
            if not token:
                return

    def add_user(
        self, name: str, role: str, password: str, *, email: str = "", key: str = ""
    ) -> dict[str, Any]:
        """Add a user.

        Parameters
        ----------
        name
        role
            ``viewer``, ``researcher``, ``trader`` or ``admin``.
        password
            12 characters or more.
        email
        key
            Of your choice: a call that comes again with it adds nobody; empty: a new one.
        """
        request = accounts_pb2.CreateUserRequest(
            name=name, role=_role(role), password=password, email=email,
            idempotency_key=key or new_key(),
        )  # fmt: skip
        return plain(self._call(self._people.CreateUser, request).user)

    def set_user(
        self, user_id: int, *, role: str | None = None, disabled: bool | None = None,
        password: str | None = None, key: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Change a user; what is None stays as it is. Every login of theirs ends."""
        more = given({"disabled": disabled, "password": password})
        if role is not None:
            more["role"] = _role(role)
        request = accounts_pb2.SetUserRequest(
            user_id=user_id, idempotency_key=key or new_key(), **more
        )
        return plain(self._call(self._people.SetUser, request).user)

    def audit(self, *, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Give what was done, the newest first: ``at``, ``who``, ``what``, ``details``."""
        token = ""
        while True:
            request = accounts_pb2.ListAuditRequest(page_size=page_size, page_token=token)
            page = self._call(self._people.ListAudit, request)
            for one in page.entries:
                yield {**plain(one), "details": json.loads(one.details)}
            token = page.next_page_token
            if not token:
                return

    # --- keys of exchanges ------------------------------------------------------------------------

    def keys(self) -> list[dict[str, Any]]:
        """Return one's own keys of exchanges, without their secrets."""
        return [
            plain(one) for one in self._call(self._keys.ListKeys, keys_pb2.ListKeysRequest()).keys
        ]

    def add_key(self, name: str, exchange: str, secret: bytes) -> dict[str, Any]:
        """Have a secret sealed and kept under a name; no call gives it back."""
        request = keys_pb2.AddKeyRequest(name=name, exchange=exchange, secret=secret)
        return plain(self._call(self._keys.AddKey, request).key)

    def remove_key(self, name: str) -> None:
        """Remove one of one's own keys."""
        self._call(self._keys.RemoveKey, keys_pb2.RemoveKeyRequest(name=name))

    @property
    def _people(self) -> Any:
        return accounts_pb2_grpc.AuthServiceStub(self._channel)

    @property
    def _keys(self) -> Any:
        return keys_pb2_grpc.KeyServiceStub(self._channel)


def _role(name: str) -> Any:
    known = accounts_pb2.Role.DESCRIPTOR.values_by_name
    found = known.get(f"ROLE_{name.upper()}")
    if found is None or not found.number:
        names = ", ".join(one.removeprefix("ROLE_").lower() for one in list(known)[1:])
        raise ConfigError(f"role: expected one of {names}, found {name!r}")
    return found.number
