"""``signalbox.report`` over HTTP: it lists what was created, on every kind of database."""

from __future__ import annotations

from client import Api, unique


async def test_a_report(api: Api) -> None:
    name = unique("=reported <b>")
    made = [(await api.create(name, "id createdAt"))["id"] for _ in range(3)]
    job = await api.create("signalbox.report", "id", payload={"hours": 1}, run=True)
    result = (await api.job_in(job["id"], fields="result"))["result"]
    lines = [line for line in result["csv"].splitlines() if name in line]
    assert [line.split(",")[0] for line in lines] == made[::-1]
    assert all(line.split(",")[1] == f"'{name}" for line in lines)
    assert result["html"].count(name.replace("<b>", "&lt;b&gt;")) == 3
    assert result["by_status"]["PENDING"] >= 3
