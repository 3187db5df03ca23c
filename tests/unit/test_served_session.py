"""What a server's client may not ask a session for."""

from pathlib import Path

import pytest

from tapewire.errors import ConfigError
from tapewire.runs import served_session
from tapewire.runs.served_config import ServedPlaces


@pytest.mark.parametrize(
    ("key", "value"), [("orders", {"account": "A"}), ("alerts", "PATH"), ("alerts", None)]
)
def test_what_is_for_who_has_the_host_is_refused(key: str, value: object, tmp_path: Path) -> None:
    document = {
        "strategy": {"type": "market_maker"},
        "live": {"dataset": "GLBX.MDP3", "symbols": ["ESH4"], key: value},
    }
    with pytest.raises(ConfigError, match=rf"live\.{key}: expected none from a server's client"):
        served_session.session_config(document, ServedPlaces(None, None, tmp_path), str, {})


def test_nor_is_it_offered() -> None:
    live = served_session.session_schema()["properties"]["live"]["properties"]
    assert not {"orders", "alerts"} & live.keys()
    assert {"dataset", "symbols", "gateway"} <= live.keys()
