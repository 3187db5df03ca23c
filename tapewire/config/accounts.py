"""Money of several currencies in one: what a price point is worth to the account."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from pydantic import ValidationError

from tapewire.compiled.units import MONEY_UNITS
from tapewire.config.problems import Problems
from tapewire.config.schema import Backtest, ConfiguredAccount, ContractFacts, StrategyEntry

#: Numerator times denominator of a multiplier: kernels compute with their product.
PRODUCT_MAX: Final = 2**62


def worth(facts: ContractFacts, account: ConfiguredAccount | None) -> Fraction:
    """Return the account's currency per price point and lot, exactly: the multiplier by the rate.

    The rate of the instrument's currency is known; a multiplier that is not given is 1.
    """
    return Fraction(facts.multiplier or 1) * rate_of(facts, account)


def rate_of(facts: ContractFacts | None, account: ConfiguredAccount | None) -> Fraction:
    """Return what a unit of an instrument's currency is worth in the account's.

    Of an account with a file of rates, those of the start are among its own by now.
    """
    if facts is None or account is None or facts.currency in (None, account.currency):
        return Fraction(1)
    return Fraction(account.rates[str(facts.currency)])


def worths(backtest: Backtest) -> dict[str, Fraction]:
    """Return `worth` of each instrument of a configuration."""
    return {
        symbol: worth(facts, backtest.account) for symbol, facts in backtest.instruments.items()
    }


def margins(
    backtest: Backtest,
    account: ConfiguredAccount | None,
    changes: Callable[[str], Sequence[tuple[int, Fraction]]] | None = None,
) -> dict[str, list[tuple[int, int]]]:
    """Return what a lot takes as margin by symbol, over time.

    As `tapewire.analytics.margins.Margins`: (from when on, ns; 1e-9 of the account's currency,
    rounded down). ``changes`` are the rates of a currency, where they change, from that of the
    start on; none of one whose rate is fixed.
    """
    found = {}
    for symbol, facts in backtest.instruments.items():
        if facts.margin is None:
            continue
        steps = changes(facts.currency) if changes is not None and facts.currency else ()
        found[symbol] = [
            (ts, int(Fraction(facts.margin) * rate * MONEY_UNITS))
            for ts, rate in steps or [(0, rate_of(facts, account))]
        ]
    return found


def check_accounts(raw: Mapping[str, Any], problems: Problems) -> None:
    """Check that every currency has its rate, and that money is exact in 64 bits."""
    backtest = raw.get("backtest")
    if not isinstance(backtest, Mapping):
        return
    instruments = backtest.get("instruments")
    try:
        given = backtest.get("account")
        account = None if given is None else ConfiguredAccount.model_validate(given)
        found = {
            symbol: ContractFacts.model_validate(facts)
            for symbol, facts in (instruments if isinstance(instruments, Mapping) else {}).items()
        }
    except ValidationError:
        return  # told with the key that is wrong
    if account is not None and account.currency is None:
        account = None
    if account is not None and account.currency in account.rates:
        problems.add(
            ("backtest", "account", "rates", account.currency),
            f"expected currencies other than the account's, found {account.currency}",
        )
    for symbol, facts in found.items():
        where = ("backtest", "instruments", symbol)
        if facts.currency is not None and account is None:
            problems.add(
                (*where, "currency"),
                "expected backtest.account, which says what money is counted in, found none",
            )
        elif account is None or facts.currency in (None, account.currency, *account.rates):
            ratio = worth(facts, account)
            if ratio.numerator * ratio.denominator > PRODUCT_MAX:
                problems.add(
                    (*where, "multiplier"),
                    "expected a multiplier (times its currency's rate) of fewer digits, "
                    f"found {ratio.numerator}/{ratio.denominator}",
                )
        elif account.rate_file is None:  # else the file is asked as the run begins
            known = ", ".join((str(account.currency), *account.rates))
            problems.add(
                (*where, "currency"),
                f"expected a currency that backtest.account has a rate of ({known}), "
                f"found {facts.currency}",
            )


def hedges(strategy: StrategyEntry, backtest: Backtest) -> bool:
    """Return whether a strategy's account holds longs and shorts side by side."""
    for account in (strategy.account, backtest.account):
        if account is not None and account.position_mode is not None:
            return account.position_mode == "hedging"
    return False
