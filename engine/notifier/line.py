"""One connection to Redis or Valkey, for one loop.

Failure handling: whatever goes wrong with a question, its connection is closed and the next question opens another: a
late answer must never be taken for the answer to something else. redis-py's own retries are off, for the loop has its
own; nothing here waits for longer than it is told to. Every failure is ``Unavailable``, in words that show no password.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from engine.errors import ConfigurationError, Unavailable
from engine.notifier.address import check_redis_url

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 0.4


class Line:
    """Asks one question at a time.

    Args:
        url: where Redis is; see ``check_redis_url``.

    Raises:
        ConfigurationError: an option after the ``?`` of the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._where = check_redis_url(url)
        self._client: Redis | None = None
        try:
            self._new_client().connection_pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, RedisError) as error:
            raise ConfigurationError("REDIS_URL: an option after the ? is not known, or not of its type.") from error

    async def ask(self, question: Callable[[Redis], Awaitable[Any]], *, answer_seconds: float = ANSWER_SECONDS) -> Any:
        """The answer to ``question``.

        Raises:
            Unavailable: there is none, or not in time.
        """
        try:
            client = self._client or await self._connect()
            async with asyncio.timeout(answer_seconds):
                return await question(client)
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"{self._where}: {str(error) or 'it does not answer'}") from error
        except BaseException:
            await self.close()
            raise

    def _new_client(self) -> Redis:
        return Redis.from_url(
            self._url,
            protocol=2,  # the same for every server; the third is wanted for nothing here
            max_connections=1,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
        )

    async def _connect(self) -> Redis:
        self._client = client = self._new_client()
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.ping()
        return client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await client.aclose()
