"""The receivers of docs/receiving-webhooks.md, run: they take what is signed, once, and refuse what is not."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from launching import SECRET
from processes import environment, free_port
from requirements import give_up

from engine.clock import SystemClock
from engine.records import DueDelivery
from engine.secrets import decode_secret
from engine.webhooks import headers
from models.enums import WebhookEvent

FOLDER = Path(__file__).parents[2] / "examples" / "receivers"
TOOLCHAINS = {"receiver.py": sys.executable, "receiver.mjs": "node", "receiver.go": "go"}
BUILD_SECONDS = 120.0
BODY = '{"jobId":7,"taskName":"Grüße","priority":"High","payload":{"n":9007199254740993},"completedAt":"x"}'.encode()


def signed(age_seconds: float = 0) -> dict[str, str]:
    moment = SystemClock().now() - timedelta(seconds=age_seconds)
    delivery = DueDelivery(1, "msg_1", WebhookEvent.JOB_COMPLETED, 1, "http://x/", BODY, 0, SystemClock().now(), 1)
    keys = [decode_secret("whsec_" + "A" * 43 + "="), decode_secret(SECRET)]  # as while a secret is rotated
    return headers(delivery, keys, int(moment.timestamp()), "0.1.0")


async def ready_to_run(name: str, folder: Path) -> list[str]:
    """The command of a receiver. Go's is built, not ``go run``, which would leave it behind when it is ended itself."""
    if not name.endswith(".go"):
        return [TOOLCHAINS[name], str(FOLDER / name)]
    built = folder / "receiver"
    async with asyncio.timeout(BUILD_SECONDS):
        for arguments in (["vet"], ["build", "-o", str(built)]):
            tool = await asyncio.create_subprocess_exec("go", *arguments, str(FOLDER / name))
            assert await tool.wait() == 0
    return [str(built)]


@pytest.mark.parametrize("name", TOOLCHAINS)
async def test_a_receiver(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if shutil.which(TOOLCHAINS[name]) is None:
        give_up(pytestconfig, f"webhook receiver {name}", f"install {TOOLCHAINS[name]}")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *await ready_to_run(name, tmp_path),
        str(port),
        env=environment({"WEBHOOK_SECRET": SECRET}),
        stdout=asyncio.subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        async with aiohttp.ClientSession() as session:

            async def send(given: dict[str, str], body: bytes = BODY) -> int:
                async with session.post(url, data=body, headers=given) as response:
                    return response.status

            async def is_up() -> bool:
                try:
                    return await send({}) == 401
                except aiohttp.ClientConnectionError:
                    return False

            async with asyncio.timeout(60):
                while not await is_up():  # noqa: ASYNC110 - another process begins to listen
                    await asyncio.sleep(0.05)
            assert await send(signed(), BODY + b" ") == 401
            assert await send(signed(age_seconds=400)) == 401
            assert await send(signed()) == 204
            assert await send(signed()) == 204  # again: a try whose answer was lost
    finally:
        process.terminate()
        output, _ = await process.communicate()
    assert output.decode().splitlines() == ["job.completed 7 Grüße"]
