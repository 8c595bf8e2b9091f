"""``/metrics`` of a running server: what it tells is what happened."""

from __future__ import annotations

from typing import Any

from client import Api, unique
from eventually import eventually
from launching import Launch
from processes import SAMPLE_TASKS, free_port, like_make_run
from scraping import scrape


async def test_what_happened_is_told(launch: Launch, api_of: Any) -> None:
    port = free_port()
    server = launch("serve", "--port", str(port), "--slots", "3", "--tasks", str(SAMPLE_TASKS), **like_make_run(port))
    api: Api = api_of(server)
    for _ in range(3):
        await api.create("simulate", payload={"seconds": 0})
    strange = await api.create(unique("no such task"), payload={"seconds": 0}, run=True)
    done = await api.create("simulate", payload={"seconds": 0}, run=True)
    failed = await api.create("simulate", payload={"seconds": 0, "fail": True}, maxAttempts=1, run=True)
    for job in (strange, done, failed):
        await api.job_in(job["id"])
    await api.webhooks(done["id"])

    async with api.watch() as stream:
        await stream.is_live(api)
        found = await scrape(api)
        assert found["signalbox_websockets"] == 1
        assert found["signalbox_websocket_operations"] == 1
        assert found["signalbox_subscribers"] == 1
        assert found["signalbox_event_lag"] == 0

    assert found["signalbox_jobs status=PENDING"] >= 3
    assert found["signalbox_jobs status=QUEUED"] == 0
    assert found["signalbox_queue_age_seconds"] == 0
    assert found["signalbox_attempts_total task=simulate to=COMPLETED"] == 1
    assert found["signalbox_attempts_total task=simulate to=FAILED"] == 1
    assert found["signalbox_attempts_total task=(other) to=COMPLETED"] == 1
    assert found["signalbox_run_seconds_count task=simulate"] == 2
    assert found["signalbox_jobs_claimed_total"] == 3
    assert found["signalbox_claim_seconds_count"] >= 1
    assert found["signalbox_job_changes_total from_status=RUNNING to_status=COMPLETED"] == 2
    assert found["signalbox_job_changes_total from_status= to_status=PENDING"] >= 3
    assert found["signalbox_store_batch_operations_count lane=clients"] >= 6
    assert found["signalbox_store_transaction_seconds_count lane=workers"] >= 3
    assert found["signalbox_worker_slots"] == 3
    assert found["signalbox_pool_connections"] == 2
    loops = {name.rsplit("=", 1)[1]: value for name, value in found.items() if name.startswith("signalbox_loop_up")}
    assert loops.keys() >= {"worker", "heartbeat", "joblogs", "feed", "deliveries", "rescuer", "promoter"}
    assert set(loops.values()) == {1}

    async def has_none() -> bool:
        told = await scrape(api)
        return told["signalbox_websockets"] == told["signalbox_subscribers"] == 0

    await eventually(has_none)
    tries = (await scrape(api))["signalbox_webhook_tries_total status=DELIVERED"]
    assert tries >= 1
