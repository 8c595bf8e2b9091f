"""``/webhook-test``: signatures are verified, receipts shown without harm, answers given as they were chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import aiohttp
import pytest
from launching import SECRET
from processes import ServerProcess
from standardwebhooks import Webhook

from engine.clock import SystemClock

HOSTILE = '{"x":"<script>alert(1)</script>&\\"\'"}'


def signed(body: str, *, age_seconds: float = 0, secret: str = SECRET) -> dict[str, str]:
    moment = SystemClock().now() - timedelta(seconds=age_seconds)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": "v1,other " + Webhook(secret).sign("msg_1", moment, body),
    }


async def test_the_receiver(launch: Callable[..., ServerProcess]) -> None:
    server = launch(SIGNALBOX_WEBHOOK_TEST="true", WEBHOOK_SECRET=SECRET)
    url = f"{server.url}/webhook-test"
    other = "whsec_" + "A" * 43 + "="
    cases = {
        "verified": signed(HOSTILE),
        "too old": signed(HOSTILE, age_seconds=400),
        "wrong": signed(HOSTILE, secret=other),
        "unsigned": {},
    }
    async with aiohttp.ClientSession() as session:
        for verdict, headers in cases.items():
            async with session.post(url, data=HOSTILE, headers=headers) as response:
                assert response.status == 200
            async with session.get(url) as response:
                assert (await response.json())["received"][0]["signature"] == verdict
        async with session.get(url, headers={"Accept": "text/html,*/*"}) as response:
            page = await response.text()
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert page.count("signature: verified") == 1
        for body in ("[" * 300 + "]" * 300, f'{{"n":{2**70},"x":1.10}}'):
            async with session.post(url, data=body) as response:
                assert response.status == 200
            async with session.get(url) as response:
                assert f'"body": {body}' in await response.text()
        for answer, status in {"500": 500, "410": 410, "redirect": 302}.items():
            async with session.post(f"{url}?answer={answer}", data="{}", allow_redirects=False) as response:
                assert response.status == status
        async with session.put(f"{url}?answer=503") as response:
            assert response.status == 200
        async with session.post(url, data="{}") as response:
            assert response.status == 503
        slow = session.post(f"{url}?answer=slow&seconds=2", data="{}", timeout=aiohttp.ClientTimeout(total=0.3))
        with pytest.raises(TimeoutError):
            await slow
        for bad in ("answer=no", "answer=700", "answer=slow&seconds=x", "answer=slow&seconds=nan", "answer=²00"):
            async with session.post(f"{url}?{bad}", data="{}") as response:
                assert response.status == 400, bad
        for _ in range(101):
            async with session.post(f"{url}?answer=204", data="{}") as response:
                assert response.status == 204
        async with session.get(url) as response:
            assert len((await response.json())["received"]) == 100
        async with session.delete(url) as response:
            assert response.status == 204
        async with session.get(url) as response:
            assert await response.json() == {"received": []}
