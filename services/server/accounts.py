"""``AuthService``: logins, users, and what was done by whom."""

import json
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.auth.roles import permissions_of
from tapewire.services.proto import accounts_pb2 as pb
from tapewire.services.proto import accounts_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CALLER
from tapewire.services.server.identity import Identity, IssuedTokens
from tapewire.services.server.measures import Measures
from tapewire.services.server.moments import put_moment
from tapewire.services.server.paging import page_size, whole_of
from tapewire.store import Store
from tapewire.store.people import UserRecord

_ROLES: Final[dict[int, str]] = {
    pb.ROLE_VIEWER: "viewer",
    pb.ROLE_RESEARCHER: "researcher",
    pb.ROLE_TRADER: "trader",
    pb.ROLE_ADMIN: "admin",
}
_CODES: Final[dict[str, Any]] = {name: code for code, name in _ROLES.items()}


class Accounts(accounts_pb2_grpc.AuthServiceServicer):
    """Answers calls of ``AuthService``."""

    def __init__(self, identity: Identity, database: Database, measures: Measures) -> None:
        self._identity, self._database, self._measures = identity, database, measures

    async def Login(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give tokens for a name and a password."""
        try:
            tokens, user = await self._identity.login(
                request.name, request.password, CALLER.get().address
            )
        except Exception:
            self._measures.login("failed")
            raise
        self._measures.login("ok")
        return pb.LoginResponse(tokens=_tokens(tokens), user=_shown(user))

    async def Refresh(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give new tokens for a refresh token."""
        tokens = await self._identity.refresh(request.refresh_token)
        return pb.RefreshResponse(tokens=_tokens(tokens))

    async def Logout(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """End the caller's login."""
        claims = CALLER.get().claims
        assert claims is not None
        await self._identity.logout(claims)
        return pb.LogoutResponse()

    async def WhoAmI(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say who calls, and what they may do."""
        claims = CALLER.get().claims
        assert claims is not None
        user = await self._identity.user_of(claims)
        allowed = sorted(permissions_of(user.role))
        return pb.WhoAmIResponse(user=_shown(user), permissions=allowed)

    async def ChangePassword(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give the caller another password, for the one that they have."""
        caller = CALLER.get()
        assert caller.claims is not None
        await self._identity.change_password(
            caller.claims, caller.address, request.current_password, request.new_password
        )
        return pb.ChangePasswordResponse()

    async def CreateUser(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Add a user."""
        role = _role(request.role)
        kept = await self._identity.passwords.hashed(request.password)
        by = CALLER.get().name

        def add(store: Store) -> Any:
            user = store.add_user(request.name, role, kept, email=request.email, by=by)
            return pb.CreateUserResponse(user=_shown(user))

        answer = await self._database.once("add_user", request.idempotency_key, request, add)
        return pb.CreateUserResponse.FromString(answer)

    async def ListUsers(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a page of users."""
        limit, after = page_size(request.page_size), whole_of(request.page_token) or 0
        found = await self._database.ask(
            "users", lambda store: store.users(after=after, limit=limit)
        )
        following = str(found[-1].id) if len(found) == limit else ""
        return pb.ListUsersResponse(
            users=[_shown(user) for user in found], next_page_token=following
        )

    async def SetUser(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Change a user; every login of theirs ends."""
        changes: dict[str, Any] = {}
        if request.HasField("role"):
            changes["role"] = _role(request.role)
        if request.HasField("disabled"):
            changes["is_active"] = not request.disabled
        if request.HasField("password"):
            changes["password_hash"] = await self._identity.passwords.hashed(request.password)
        if not changes:
            raise ConfigError("user: expected a role, disabled or a password, found nothing")
        by = CALLER.get().name

        def change(store: Store) -> Any:
            return pb.SetUserResponse(
                user=_shown(store.set_user(request.user_id, **changes, by=by))
            )

        answer = await self._database.once("set_user", request.idempotency_key, request, change)
        self._identity.forget()
        return pb.SetUserResponse.FromString(answer)

    async def ListAudit(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a page of what was done, the newest first."""
        limit, before = page_size(request.page_size), whole_of(request.page_token)
        found = await self._database.ask(
            "audit", lambda store: store.audit(before=before, limit=limit)
        )
        entries = []
        for one in found:
            entry = pb.AuditEntry(id=one.id, who=one.who, what=f"{one.action} {one.subject}")
            put_moment(entry.at, one.at)
            entry.details = json.dumps(one.details)
            entries.append(entry)
        following = str(found[-1].id) if len(found) == limit else ""
        return pb.ListAuditResponse(entries=entries, next_page_token=following)


def _role(code: int) -> str:
    if code not in _ROLES:
        raise ConfigError(f"role: expected one of {', '.join(_CODES)}, found none")
    return _ROLES[code]


def _shown(user: UserRecord) -> Any:
    shown = pb.User(
        id=user.id, name=user.name, email=user.email, role=_CODES[user.role],
        disabled=not user.is_active,
    )  # fmt: skip
    put_moment(shown.created_at, user.created_at)
    return shown


def _tokens(issued: IssuedTokens) -> Any:
    tokens = pb.Tokens(access_token=issued.access, refresh_token=issued.refresh)
    tokens.access_expires_at.FromSeconds(issued.access_expires_s)
    tokens.refresh_expires_at.FromSeconds(issued.refresh_expires_s)
    return tokens
