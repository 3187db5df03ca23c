"""A hundred users of a server at a time, for ten minutes: no call is lost, memory is flat."""

import asyncio
import time
from pathlib import Path

import grpc
import grpc.aio
import pytest

from soaking import Soak
from tapewire.bench.services import Served, served
from tapewire.services.auth import PasswordHasher
from tapewire.services.proto import (
    accounts_pb2,
    accounts_pb2_grpc,
    strategies_pb2,
    strategies_pb2_grpc,
)
from tapewire.store import Store

USERS, SECONDS = 100, 600.0
#: Between two calls of a user, s.
PAUSE_S = 1.0
#: What memory may grow from a third of the time to its end.
GROWTH_MAX = 0.10
PASSWORD = "correct horse battery"


async def use(at: Served, name: str, until_s: float) -> list[str]:
    """Be a user for so long; return what went wrong."""
    faults: list[str] = []
    calls = 0
    # Options that differ make connections that do.
    options = (("made", int(name.removeprefix("user"))),)
    async with grpc.aio.insecure_channel(at.address, options) as channel:
        auth = accounts_pb2_grpc.AuthServiceStub(channel)
        stored = strategies_pb2_grpc.StrategyServiceStub(channel)
        asked = accounts_pb2.LoginRequest(name=name, password=PASSWORD)
        token = ""
        while not token:
            try:
                token = (await auth.Login(asked, timeout=120)).tokens.access_token
            except grpc.aio.AioRpcError as error:  # a hundred at once: told to come again
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
                ):  # fmt: skip
                    return [f"{name}: {error.details()}"]
                await asyncio.sleep(1.0)
        known = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 60}
        while time.monotonic() < until_s:
            try:
                if calls % 2:
                    page = strategies_pb2.ListStrategiesRequest(sort="sharpe", page_size=20)
                    found = await stored.List(page, **known)
                    assert len(found.strategies) == 20
                else:
                    who = await auth.WhoAmI(accounts_pb2.WhoAmIRequest(), **known)
                    assert who.user.name == name
            except grpc.aio.AioRpcError as error:
                faults.append(f"{name}: {error.code().name}: {error.details()}")
            calls += 1
            await asyncio.sleep(PAUSE_S)
    return [*faults, *([] if calls else [f"{name}: never came to call"])]


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_hundred_users_for_ten_minutes(tmp_path: Path, soak: Soak) -> None:
    users, seconds = soak.count(USERS), soak.seconds(SECONDS)
    kept = PasswordHasher().hashed(PASSWORD)
    memory: list[float] = []
    with served(tmp_path) as at:
        with Store.open(str(tmp_path / "tapewire.db")) as store:
            for k in range(users):
                store.add_user(f"user{k}", "viewer", kept, by="test")

        async def all_of_them() -> list[list[str]]:
            until_s = time.monotonic() + seconds

            async def look() -> None:
                while time.monotonic() < until_s:
                    memory.append(at.rss_mb())
                    await asyncio.sleep(seconds / 60)

            looking = asyncio.create_task(look())
            come = await asyncio.gather(*(use(at, f"user{k}", until_s) for k in range(users)))
            await looking
            return come

        come = asyncio.run(all_of_them())
    faults = [one for of_user in come for one in of_user]
    assert faults == []
    third = sum(memory[len(memory) // 3 :][:5]) / 5
    grown = sum(memory[-5:]) / 5 / third - 1
    soak.say(f"{users} users, {memory[-1]:.0f} MB, {grown:+.1%} after the first third")
    assert grown < GROWTH_MAX
