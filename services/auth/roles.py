"""Roles and what each may do: the table of the specification."""

from enum import StrEnum
from typing import Final

from tapewire.errors import ConfigError


class Permission(StrEnum):
    """What a call needs."""

    READ = "read"
    GENERATE = "generate"
    BACKTEST = "backtest"
    OPTIMIZE = "optimize"
    DELETE = "delete"
    LIVE = "live"
    ADMINISTER = "administer"


_RESEARCH: Final = frozenset(
    (
        Permission.READ,
        Permission.GENERATE,
        Permission.BACKTEST,
        Permission.OPTIMIZE,
        Permission.DELETE,
    )
)
#: Role → what it may do. A viewer reads strategies and results, a researcher generates, tests and
#: optimises, a trader trades live as well, an administrator does everything.
ROLES: Final[dict[str, frozenset[Permission]]] = {
    "admin": frozenset(Permission),
    "trader": _RESEARCH | {Permission.LIVE},
    "researcher": _RESEARCH,
    "viewer": frozenset((Permission.READ,)),
}


def permissions_of(role: str) -> frozenset[Permission]:
    """Return what a role may do.

    Raises
    ------
    ConfigError
        If there is no such role.
    """
    if role not in ROLES:
        raise ConfigError(f"role: expected one of {', '.join(ROLES)}, found {role!r}")
    return ROLES[role]


def may(role: str, permission: Permission) -> bool:
    """Whether a role has a permission; a role that is unknown has none."""
    return permission in ROLES.get(role, frozenset())
