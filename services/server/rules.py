"""What each call needs: a permission, only a known caller, or nothing."""

from dataclasses import dataclass
from typing import Final

from tapewire.services.auth.roles import Permission

_PACKAGE: Final = "tapewire.v1"


@dataclass(frozen=True)
class Rule:
    """What a call needs.

    Attributes
    ----------
    permission : Permission, optional
        None: whoever is known may.
    open : bool
        Nobody has to be known.
    vital : bool
        Answered by a busy server, too.
    """

    permission: Permission | None = None
    open: bool = False
    vital: bool = False


_OPEN: Final = Rule(open=True)
_KNOWN: Final = Rule()
_VITAL: Final = Rule(open=True, vital=True)
_RULES: Final = {
    "AuthService": {
        "Login": _OPEN,
        "Refresh": _OPEN,
        "Logout": _KNOWN,
        "WhoAmI": _KNOWN,
        "ChangePassword": _KNOWN,
        "CreateUser": Rule(Permission.ADMINISTER),
        "ListUsers": Rule(Permission.ADMINISTER),
        "SetUser": Rule(Permission.ADMINISTER),
        "ListAudit": Rule(Permission.ADMINISTER),
    },
    "StrategyService": {
        "List": Rule(Permission.READ),
        "Get": Rule(Permission.READ),
        "Export": Rule(Permission.READ),
        "GetChart": Rule(Permission.READ),
        "GetGeneration": Rule(Permission.READ),
        "Delete": Rule(Permission.DELETE),
        "Generate": Rule(Permission.GENERATE),
        "Evolve": Rule(Permission.GENERATE),
    },
    "BacktestService": {
        "Run": Rule(Permission.BACKTEST),
        "Judge": Rule(Permission.BACKTEST),
        "GetResult": Rule(Permission.READ),
        "ListResults": Rule(Permission.READ),
    },
    "OptimizerService": {
        "Start": Rule(Permission.OPTIMIZE),
        "GetResult": Rule(Permission.READ),
        "KeepVariant": Rule(Permission.OPTIMIZE),
    },
    "RunService": {
        "Describe": Rule(Permission.READ),
        "CheckConfig": Rule(Permission.BACKTEST),
        "Start": Rule(Permission.BACKTEST),
        "GetResult": Rule(Permission.READ),
        "GetChart": Rule(Permission.READ),
        "ListFills": Rule(Permission.READ),
        "Explain": Rule(Permission.READ),
        "Compare": Rule(Permission.READ),
        "Reconcile": Rule(Permission.BACKTEST),
        "Spread": Rule(Permission.BACKTEST),
        "ListFiles": Rule(Permission.READ),
        "GetFile": Rule(Permission.READ),
    },
    "LiveTradingService": {
        "Describe": Rule(Permission.READ),
        "CheckConfig": Rule(Permission.LIVE),
        "Start": Rule(Permission.LIVE),
        "Stop": Rule(Permission.LIVE),
        "Pause": Rule(Permission.LIVE),
        "Resume": Rule(Permission.LIVE),
        "Kill": Rule(Permission.LIVE),
        "Watch": Rule(Permission.READ),
        "ListAccounts": Rule(Permission.READ),
        # A busy server answers who wants to stop real orders.
        "KillAccount": Rule(Permission.LIVE, vital=True),
    },
    "JobService": {
        "Get": Rule(Permission.READ),
        "List": Rule(Permission.READ),
        "Watch": Rule(Permission.READ),
        # Of one's own; whose it is is looked at by the call.
        "Cancel": Rule(Permission.GENERATE),
    },
    "DataService": {
        "ListDatasets": Rule(Permission.READ),
        "GetDataset": Rule(Permission.READ),
        "InspectFile": Rule(Permission.BACKTEST),
        "CheckFile": Rule(Permission.BACKTEST),
        "PlotFile": Rule(Permission.BACKTEST),
        "DeriveFile": Rule(Permission.BACKTEST),
    },
    "KeyService": {
        "AddKey": Rule(Permission.LIVE),
        "ListKeys": Rule(Permission.LIVE),
        "RemoveKey": Rule(Permission.LIVE),
    },
    # Whoever balances load asks for it and has no name here; it tells no more than words.
    "HealthService": {"Check": _VITAL},
}
#: gRPC's own services. Looking once needs no name, watching holds a stream.
_STANDARD: Final = {
    "/grpc.health.v1.Health/Check": _VITAL,
    "/grpc.health.v1.Health/Watch": _KNOWN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _KNOWN,
}
#: Path of a call → its rule. A call that is not here is refused, whoever makes it.
RULES: Final = {
    f"/{_PACKAGE}.{service}/{call}": rule
    for service, calls in _RULES.items()
    for call, rule in calls.items()
} | _STANDARD
#: Services of ours, by whole name.
SERVICES: Final = tuple(f"{_PACKAGE}.{service}" for service in _RULES)
