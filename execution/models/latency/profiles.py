"""Named sets of parameters: where a strategy's machine stands.

They are round figures for a first look, made to agree with what vendors publish about ways to CME's
data centre in Aurora; whoever trades has better ones. Feed delays but retail's have the 90th
percentile that Databento states for a connection of that kind (databento.com/docs/architecture/
locations-network-connectivity: cross-connect 42.4 µs, proximity hosting 0.5 ms, cloud interconnect
1.7 ms). Ways of orders have about the round trips that nexusfi.com gives (articles
"futures-broker-technology-infrastructure": co-located 0.2 to 0.5 ms, retail 50 to 150 ms;
"latency-infrastructure-automated-futures-trading": a hosted server about 5 ms).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_Given = Mapping[str, int | str]


@dataclass(frozen=True)
class LatencyProfile:
    """A latency model by name, with parameters.

    Attributes
    ----------
    doc : str
        One line for people.
    type : str
        The model.
    parameters : mapping
        Of the model; the others have its defaults.
    """

    doc: str
    type: str
    parameters: Mapping[str, Any]


def _profile(doc: str, kind: str, *, orders: _Given, feed: _Given) -> LatencyProfile:
    given = {f"order_latency_{name}": value for name, value in orders.items()}
    given |= {f"feed_latency_{name}": value for name, value in feed.items()}
    return LatencyProfile(doc, kind, {name: Decimal(value) for name, value in given.items()})


PROFILES: Final[Mapping[str, LatencyProfile]] = {
    "colocated": _profile(
        "a machine in the venue's data centre, on a cross-connect", "lognormal",
        orders={"base_us": 20, "median_us": 80, "sigma": "0.4", "max_us": 10_000},
        feed={"base_us": 20, "median_us": 15, "sigma": "0.3", "max_us": 1_000},
    ),
    "same_city": _profile(
        "a machine in a data centre near by", "lognormal",
        orders={"base_us": 250, "median_us": 250, "sigma": "0.5", "max_us": 50_000},
        feed={"base_us": 250, "median_us": 130, "sigma": "0.5", "max_us": 5_000},
    ),
    "cloud": _profile(
        "a virtual machine of a cloud, joined to the venue's city by an interconnect", "lognormal",
        orders={"base_us": 1_500, "median_us": 1_000, "sigma": "0.6", "max_us": 200_000},
        feed={"base_us": 1_000, "median_us": 370, "sigma": "0.5", "max_us": 20_000},
    ),
    "retail": _profile(
        "a machine at home, by a broker's servers over the internet", "pareto",
        orders={
            "base_us": 15_000, "median_us": 25_000, "sigma": "0.4", "tail_probability": "0.01",
            "tail_scale_us": 100_000, "tail_alpha": "1.5", "max_us": 2_000_000,
        },
        feed={
            "base_us": 10_000, "median_us": 20_000, "sigma": "0.4", "tail_probability": 0,
            "max_us": 250_000,
        },
    ),
}  # fmt: skip
