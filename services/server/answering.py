"""Who answers calls about jobs, added to a server."""

from pathlib import Path

from tapewire.services.proto import (
    backtests_pb2_grpc,
    data_pb2_grpc,
    jobs_pb2_grpc,
    live_pb2_grpc,
    optimizer_pb2_grpc,
    runs_pb2_grpc,
)
from tapewire.services.server.account_desk import AccountDesk
from tapewire.services.server.backtests import Backtests, Optimizers
from tapewire.services.server.database import Database
from tapewire.services.server.datasets import Datasets
from tapewire.services.server.handlers import Handlers
from tapewire.services.server.job_desk import JobDesk
from tapewire.services.server.jobs import Jobs
from tapewire.services.server.live import LiveTrading
from tapewire.services.server.run_desk import RunDesk
from tapewire.services.server.runs import Runs


def add_job_services(
    server: Handlers,
    database: Database,
    desk: JobDesk,
    data: Path | None,
    runs: RunDesk,
    accounts: AccountDesk,
) -> Jobs:
    """Have a server answer calls about jobs, what they read, and accounts.

    Returns
    -------
    Jobs
        Whose streams are to be ended before the server is.
    """
    jobs = Jobs(database)
    jobs_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
    backtests_pb2_grpc.add_BacktestServiceServicer_to_server(Backtests(database, desk), server)
    optimizer_pb2_grpc.add_OptimizerServiceServicer_to_server(Optimizers(desk, runs), server)
    runs_pb2_grpc.add_RunServiceServicer_to_server(Runs(desk, runs), server)
    live = LiveTrading(database, desk, runs, accounts, lambda: jobs.is_draining)
    live_pb2_grpc.add_LiveTradingServiceServicer_to_server(live, server)
    data_pb2_grpc.add_DataServiceServicer_to_server(Datasets(database, desk, data), server)
    return jobs
