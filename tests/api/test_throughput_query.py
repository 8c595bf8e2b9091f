"""``throughput`` in its three periods, counted once however many servers there are, on every kind of database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from client import Api, unique
from eventually import eventually
from launching import SECRET_KEY, Launch

QUERY = """query($period: ThroughputPeriod!) { throughput(period: $period) {
  stepSeconds points { at created completed failed cancelled } } }"""
STEPS = {"HOUR": (60, 60), "DAY": (900, 96), "WEEK": (3600, 168)}
KINDS = ("created", "completed", "failed", "cancelled")
Steps = dict[str, tuple[int, ...]]


async def steps_of(api: Api, period: str) -> tuple[int, Steps]:
    """The seconds of a step, and what happened in each, oldest first."""
    found = (await api.data(QUERY, period=period))["throughput"]
    return found["stepSeconds"], {each["at"]: tuple(each[kind] for kind in KINDS) for each in found["points"]}


def total(steps: Steps) -> tuple[int, ...]:
    return tuple(map(sum, zip(*steps.values(), strict=True)))


async def test_three_periods_on_two_servers(own_url: str, launch: Launch, api_of: Any) -> None:
    settings = {"DATABASE_URL": own_url, "SIGNALBOX_SECRET_KEY": SECRET_KEY, "SIGNALBOX_UNKNOWN_TASK": "simulate"}
    apis: list[Api] = [api_of(launch("serve", "--port", "0", **settings)) for _ in range(2)]
    for period in STEPS:
        _seconds, nothing = await steps_of(apis[0], period)
        assert set(nothing.values()) == {(0, 0, 0, 0)}
    for number in range(12):
        await apis[number % 2].create("simulate", run=True)
    for api in apis:
        await api.create("simulate", run=True, maxAttempts=1, payload={"fail": "no luck"})
    held = await apis[1].create("simulate")
    await apis[0].change("cancelJob", held["id"])

    async def is_counted() -> bool:
        return total((await steps_of(apis[0], "WEEK"))[1]) == (15, 12, 2, 1)

    await eventually(is_counted, timeout_seconds=30)
    for period, (seconds, count) in STEPS.items():
        before = (await apis[1].data("{ workers { heartbeatAt } }"))["workers"][0]["heartbeatAt"]
        found, steps = await steps_of(apis[1], period)
        moments = [datetime.fromisoformat(moment) for moment in steps]
        assert (found, len(steps), total(steps)) == (seconds, count, (15, 12, 2, 1))
        assert moments == [moments[0] + timedelta(seconds=seconds * number) for number in range(count)]
        assert moments[0].timestamp() % seconds == 0
        assert moments[-1] + timedelta(seconds=seconds) > datetime.fromisoformat(before)
        assert list(steps.values())[-4:] != [(0, 0, 0, 0)] * 4


async def test_the_last_hour_is_told_of_first(sqlite_api: Api) -> None:
    await sqlite_api.create(unique("counted"), "id")
    answer = await sqlite_api.data("{ throughput { stepSeconds points { created } } }")
    assert (answer["throughput"]["stepSeconds"], len(answer["throughput"]["points"])) == (60, 60)


@pytest.mark.parametrize("period", ["MONTH", None, 7])
async def test_refused_periods(sqlite_api: Api, period: Any) -> None:
    _status, answer = await sqlite_api.post(QUERY, {"period": period})
    assert answer["errors"]
    assert not answer.get("data")
