"""A run over quotes of a real top-of-book publisher says that its queue was a guess, everywhere."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import tapewire as tw

#: GOOGL on publisher 41: 100 trade at 153.79 by whoever, at 13:30:24.005; the quote is far below.
LOG = """\
ts_ns,action,client_order_id,symbol,publisher_id,side,order_type,price,quantity,time_in_force
1712151017601700000,new,it,GOOGL,41,BUY,LIMIT,153.79,250,GTC
"""


def test_a_run_over_quotes(tmp_path: Path, data_file: Callable[[str], Path]) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    config = {
        "backtest": {
            "data_source": {
                "type": "databento",
                "files": [str(data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst"))],
            }
        },
        "strategy": {"type": "order_log", "parameters": {"path": str(log)}},
    }
    result = tw.run(config, output=tmp_path / "run")
    first = result.fills.to_pylist()[0]
    assert (first["last_px"], first["last_qty"]) == (int(Decimal("153.79") * 10**9), 100)
    assert (first["reason"], int(first["ts_event"].value)) == ("QUEUE", 1712151024005518353)
    assert result.manifest["queues"] == [
        {
            "queue": "estimated",
            "publisher_id": 41,
            "instrument_id": 7152,
            "symbol": "GOOGL",
            "model": "risk_adverse_queue_model",
            "has_orders": False,
        }
    ]
    assert any(w.startswith("queue estimated: places") for w in result.manifest["warnings"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "fifo; estimated from level sizes in 1 book by risk_adverse_queue_model" in page
    assert "note: the data have no orders in this book" in str(result.explain("it"))
