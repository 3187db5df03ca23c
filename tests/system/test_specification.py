"""The backtest configuration of the specification runs as it is printed there, but for its file."""

from pathlib import Path

import tapewire as tw

#: Word for word.
CONFIGURATION = """\
backtest:
  data_source:
    type: "databento"
    files: ["glbx-mdp3-20250428.mbo.dbn.zst"]
    symbols: ["ESM5"]
  
  execution:
    latency_model:
      type: "fixed"
      network_latency_us: 50
      processing_latency_us: 10
    
    fill_model:
      type: "probabilistic"
      fill_probability_at_touch: 0.5
      queue_position_model: "pro_rata"
    
    market_impact:
      type: "linear"
      impact_bps_per_million: 0.5
  
  risk_limits:
    max_position: 100
    max_order_size: 50
    max_loss: 10000.0
    max_orders_per_second: 100
  
  output:
    metrics_file: "results/metrics.parquet"
    trades_file: "results/trades.parquet"
    detailed_log: false
"""  # noqa: W293 (as it is printed)


def test_it_is_what_the_document_says(data_dir: Path) -> None:
    document = data_dir.parent / "spec" / "backtesting-architecture.md"
    assert CONFIGURATION in document.read_text()


def test_it_runs_unchanged(tmp_path: Path, synthetic_file: Path) -> None:
    """On a session whose instrument is called as there: names of the synthetic ones are as long."""
    renamed = synthetic_file.read_bytes().replace(b"TWA1", b"ESM5")
    (tmp_path / "day.dbn").write_bytes(renamed)
    text = CONFIGURATION.replace("glbx-mdp3-20250428.mbo.dbn.zst", "day.dbn")
    (tmp_path / "specification.yaml").write_text(text)
    result = tw.run(
        tmp_path / "specification.yaml", strategies=["market_maker"], output=tmp_path / "run"
    )
    assert result.status == "complete"
    assert result.fills.num_rows > 0
    models = result.manifest["config"]["backtest"]["execution"]
    assert models["fill_model"]["type"] == "probabilistic"
    assert models["fill_model"]["queue_position_model"] == "pro_rata"
    for name in ("metrics", "trades"):
        assert (tmp_path / "results" / f"{name}.parquet").is_file()
