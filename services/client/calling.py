"""Calls of a server, as Python: plain values in, plain values out, errors in its sentences."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import grpc

from tapewire.errors import PeerLostError, TapewireError
from tapewire.services.client.credentials import Credentials, authority_of
from tapewire.services.client.data import DataCalls
from tapewire.services.client.people import PeopleCalls
from tapewire.services.client.refusals import ServerRefusal
from tapewire.services.client.runs import RunCalls
from tapewire.services.client.sessions import SessionCalls
from tapewire.services.client.strategies import StrategyCalls
from tapewire.services.proto import (
    accounts_pb2,
    accounts_pb2_grpc,
    health_pb2,
    health_pb2_grpc,
)

#: How long a call may take, s.
DEADLINE_S: Final = 30.0


class Client(StrategyCalls, RunCalls, SessionCalls, DataCalls, PeopleCalls):
    """A connection to a server.

    Parameters
    ----------
    server : str
        ``host:port``.
    credentials
        From a login; None: calls that nobody has to be known for.
    authority : bytes, optional
        Certificates in PEM that the server's is held against; None: no encryption, which only a
        server on this host offers.
    kept_in : Path, optional
        Where fresh tokens are written when the old ones have ended.
    """

    def __init__(
        self,
        server: str,
        credentials: Credentials | None = None,
        *,
        authority: bytes | None = None,
        kept_in: Path | None = None,
    ) -> None:
        self.server, self.credentials = server, credentials
        self._kept_in = kept_in
        # A server that starts again is found at once, not after minutes.
        backoff = [(f"grpc.{which}_reconnect_backoff_ms", 1_000) for which in ("initial", "max")]
        options = (("grpc.enable_retries", 0), *backoff)
        if authority is None:
            self._channel = grpc.insecure_channel(server, options)
        else:
            sealed = grpc.ssl_channel_credentials(authority)
            self._channel = grpc.secure_channel(server, sealed, options)
        self._accounts = accounts_pb2_grpc.AuthServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthServiceStub(self._channel)

    @classmethod
    def known(cls, server: str, path: Path) -> Self:
        """Connect to a server that one has logged in at.

        Raises
        ------
        ConfigError
            If one has not.
        """
        found = Credentials.of(path, server)
        authority = authority_of(Path(found.authority) if found.authority else None)
        return cls(server, found, authority=authority, kept_in=path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    # --- who one is -------------------------------------------------------------------------------

    def login(self, name: str, password: str) -> Credentials:
        """Log in; later calls are made as this user."""
        request = accounts_pb2.LoginRequest(name=name, password=password)
        tokens = self._open(self._accounts.Login, request).tokens
        self.credentials = Credentials(self.server, tokens.access_token, tokens.refresh_token)
        return self.credentials

    def logout(self) -> None:
        """End the login; one that has ended already is as good."""
        try:
            self._call(self._accounts.Logout, accounts_pb2.LogoutRequest())
        except ServerRefusal as refusal:
            if refusal.reason != "BAD_TOKEN":
                raise
        self.credentials = None

    def who_am_i(self) -> dict[str, Any]:
        """Return name, role and permissions of the user."""
        found = self._call(self._accounts.WhoAmI, accounts_pb2.WhoAmIRequest())
        role = accounts_pb2.Role.Name(found.user.role).removeprefix("ROLE_").lower()
        return {"name": found.user.name, "role": role, "permissions": list(found.permissions)}

    def change_password(self, current: str, following: str) -> None:
        """Give oneself another password; every login of one's own ends, this one included."""
        request = accounts_pb2.ChangePasswordRequest(
            current_password=current, new_password=following
        )
        self._call(self._accounts.ChangePassword, request)
        self.credentials = None

    # --- how the server is ------------------------------------------------------------------------

    def health(self) -> tuple[bool, dict[str, str]]:
        """Return whether the server can do its work, and what it found."""
        found = self._open(self._health.Check, health_pb2.HealthCheckRequest())
        return found.status == health_pb2.HealthCheckResponse.SERVING_STATUS_SERVING, dict(
            found.details
        )

    # --- calls ------------------------------------------------------------------------------------

    def _open(self, call: Callable[..., Any], request: Any, token: str = "") -> Any:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            return call(request, timeout=DEADLINE_S, metadata=metadata)
        except grpc.RpcError as error:
            raise self._told(error) from None

    def _call(self, call: Callable[..., Any], request: Any) -> Any:
        if self.credentials is None:
            return self._open(call, request)
        # What another command has got may have ended by now, too.
        for _ in range(2):
            try:
                return self._open(call, request, self.credentials.access)
            except ServerRefusal as refusal:
                if refusal.reason != "BAD_TOKEN":
                    raise
            self._renew()
        return self._open(call, request, self.credentials.access)

    def _renew(self) -> None:
        """Get tokens for those that have ended, or take those that another command has got."""
        assert self.credentials is not None
        if self._kept_in is None:
            self.credentials = self._renewed(self.credentials)
            return
        self.credentials = self.credentials.renewed(self._kept_in, self._renewed)

    def _renewed(self, credentials: Credentials) -> Credentials:
        request = accounts_pb2.RefreshRequest(refresh_token=credentials.refresh)
        tokens = self._open(self._accounts.Refresh, request).tokens
        return replace(credentials, access=tokens.access_token, refresh=tokens.refresh_token)

    def _told(self, error: Any) -> TapewireError:
        status, trailers = error.code().name, dict(error.trailing_metadata() or ())
        reason = trailers.get("tapewire-reason")
        if reason is not None:
            code = int(trailers.get("tapewire-exit-code", "1"))
            return ServerRefusal(error.details(), str(reason), status, code)
        if status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            return PeerLostError(
                f"{self.server}: no server answers there ({status.lower()}); is it running, and "
                "is it reached with or without TLS as it was started?"
            )
        return ServerRefusal(f"{self.server}: {error.details()}", status, status, 1)
