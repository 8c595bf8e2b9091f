"""The composition root: every object is built here, and everything else receives what it needs.

Failure handling: a database that is down does not stop a server from starting; ``/readyz`` says 503 and requests get
UNAVAILABLE until it is there. Loops start at once and find it by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from tortoise.exceptions import BaseORMException

from engine.deliveries import Deliveries
from engine.endpoints import Endpoints
from engine.errors import ConfigurationError, Unavailable
from engine.feed import Feed
from engine.history import jobs_created
from engine.http_client import HttpClient
from engine.jobs import Jobs
from engine.notifier.contract import Notifier
from engine.notifier.memory import MemoryNotifier
from engine.notifier.poll import PollNotifier
from engine.promoter import Promoter
from engine.registry import TaskRegistry
from engine.relay import Relay
from engine.scheduler import Scheduler
from engine.schedules import Schedules
from engine.secrets import SecretBox
from engine.service import Service
from engine.store.store import Store, database_for
from engine.task_loading import load_tasks
from engine.tasks import Tasks
from engine.throughput import ThroughputCounter
from engine.upkeep import Pruner, Rekeyer, Rescuer, Unparker
from engine.waiting import Waiting
from engine.webhook_log import WebhookLog
from engine.webhook_trials import WebhookTrials
from engine.webhooks import Receivers
from engine.worker import LEASE_SECONDS, Worker
from models.connection import DatabaseURL
from models.migrate import migrate
from resolvers.context import Engine
from resolvers.redaction import Redactor
from server.key_file import KeyFile
from server.keys import Keys
from server.settings import Settings
from server.telemetry import start_telemetry
from server.version import VERSION
from tasks import builtin_tasks, fallback_task

log = structlog.get_logger("signalbox.server")


@dataclass(slots=True)
class Application:
    """All parts of one process. ``start`` them, then ``stop`` them."""

    settings: Settings
    store: Store
    registry: TaskRegistry
    client: HttpClient
    engine: Engine
    feed: Feed
    notifier: Notifier
    worker: Worker | None
    keys: Keys
    key_file: KeyFile | None
    redactor: Redactor
    receivers: Receivers
    services: list[Service] = field(default_factory=list)
    _telemetry: Any = field(default=None, init=False)

    async def start(self) -> None:
        """Open the store and start the loops."""
        self._telemetry = start_telemetry()
        await self.client.open()
        await self.store.open()
        for service in self.services:
            service.start()

    async def stop(self) -> None:
        """Stop the loops, the worker first, so that its last reports are committed; then close what they used."""
        for service in self.services:
            await service.stop()
        await self.store.close()
        await self.client.close()
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.shutdown)  # sends what is left

    async def is_ready(self) -> dict[str, str]:
        """What is not in order, by name; empty when all is."""
        problems: dict[str, str] = {}
        try:
            async with asyncio.timeout(2.0):
                lacking = await self.store.missing_migrations()
            if lacking:
                problems["migrations"] = f"run `signalbox migrate`: the database lacks {', '.join(lacking)}"
        except (Unavailable, TimeoutError) as error:
            problems["database"] = str(error) or "it does not answer"
        except Exception as error:  # noqa: BLE001 - readiness must answer
            problems["database"] = f"{type(error).__name__}: {error}"
        return problems | self._troubles(is_vital=True)

    def warnings(self) -> dict[str, str]:
        """What someone should see to although all is served; by name."""
        return self._troubles(is_vital=False)

    def _troubles(self, *, is_vital: bool) -> dict[str, str]:
        """What is the matter with the loops."""
        return {
            service.name: problem
            for service in self.loops
            if service.is_vital is is_vital and (problem := service.problem) is not None
        }

    @property
    def loops(self) -> list[Service]:
        """Every loop of this process, those that the worker starts included."""
        return [*self.services, *((self.worker.heart, self.worker.logs) if self.worker else ())]


def build(
    settings: Settings,
    *,
    task_sources: list[str],
    only: Sequence[str] = (),
    with_worker: bool = True,
    slots: int = 10,
    grace_seconds: float = 30.0,
    lease_seconds: float = LEASE_SECONDS,
    with_api: bool = True,
) -> Application:
    """Build a process.

    Args:
        task_sources: modules and paths with the users' tasks.
        only: the tasks that the worker takes; all that it knows without any.
        with_worker: whether jobs are run here.
        with_api: whether clients are served here (live events are read then).

    Raises:
        ConfigurationError: a module, a task or a setting cannot be used.
    """
    proxy = None if settings.http_proxy is None else settings.http_proxy.get_secret_value()
    client = HttpClient(settings.reachable_hosts, proxy=proxy)
    smtp_url = None if settings.smtp_url is None else settings.smtp_url.get_secret_value()
    fallback = fallback_task() if settings.unknown_task == "simulate" else None
    secret = None if settings.webhook_secret is None else settings.webhook_secret.get_secret_value()
    secret_key = None if settings.secret_key is None else settings.secret_key.get_secret_value()
    box = SecretBox(secret_key, settings.secret_key_file)
    receivers = Receivers(settings.webhook_url, secret, box)
    store = Store(database_for(settings.database), outbox=receivers.outbox)
    builtin = builtin_tasks(client, smtp_url, store.database.now, functools.partial(jobs_created, store.reads))
    registry = TaskRegistry([*builtin, *load_tasks(task_sources)], fallback=fallback)
    if strange := [name for name in only if name not in registry]:
        known = ", ".join(sorted(each.name for each in registry))
        raise ConfigurationError(f"--only {strange[0]}: this process knows no such task; it knows {known}.")
    notifier = notifier_for(settings, store, with_api=with_api, with_worker=with_worker)
    feed = Feed(store, notifier)
    jobs = Jobs(store, registry, unknown_task=settings.unknown_task)
    worker = None
    if with_worker:
        worker = Worker(
            store,
            registry,
            slots=slots,
            grace_seconds=grace_seconds,
            lease_seconds=lease_seconds,
            notifier=notifier,
            only=only,
        )
    Relay(store, notifier, worker=worker, feed=feed, jobs=jobs)
    endpoints = Endpoints(store, box, settings.webhook_url)
    services: list[Service] = []
    if worker is not None:
        services.append(worker)
    services += [Promoter(store), Unparker(store), Rescuer(store, lease_seconds=lease_seconds)]
    services.append(Pruner(store, retention_days=settings.retention_days))
    services.append(Scheduler(store, jobs.own_limits))
    services.append(Deliveries(store, receivers, client, version=VERSION, retries=settings.retries))
    keys, key_file = read_keys(settings) if with_api else (Keys(None), None)
    if with_api:
        services += [feed, Rekeyer(endpoints, store.clock), ThroughputCounter(store)]
    if key_file is not None:
        services.append(key_file)
    services += notifier.services  # the last to stop: the others have something to tell until their end
    waiting = Waiting(store.reads, unknown_task=settings.unknown_task)
    webhook_log = WebhookLog(store, endpoints)
    trials = WebhookTrials(store, endpoints, receivers, client, VERSION)
    schedules, tasks = Schedules(store, jobs), Tasks(store)
    engine = Engine(
        jobs,
        schedules,
        tasks,
        store.reads,
        store.throughput,
        feed,
        waiting,
        endpoints,
        webhook_log,
        trials,
        VERSION,
    )
    redactor = Redactor(settings.redacted_keys)
    return Application(
        settings, store, registry, client, engine, feed, notifier, worker, keys, key_file, redactor, receivers, services
    )


def notifier_for(settings: Settings, store: Store, *, with_api: bool, with_worker: bool) -> Notifier:
    """The notifier that the settings ask for.

    Raises:
        ConfigurationError: it cannot be used here.
    """
    url = None if settings.redis_url is None else settings.redis_url.get_secret_value()
    if settings.notifier == "memory":
        if not (with_api and with_worker):
            raise ConfigurationError(
                "SIGNALBOX_NOTIFIER=memory is for one server that runs its jobs itself, and has no process beside it. "
                "Use poll, or redis."
            )
        return MemoryNotifier()
    if settings.notifier == "redis" and url is None:
        raise ConfigurationError("SIGNALBOX_NOTIFIER=redis needs REDIS_URL, as in redis://host:6379/0.")
    if url is None or settings.notifier == "poll":
        return PollNotifier()
    from engine.notifier.redis import RedisNotifier  # which takes a while to import, and is not always wanted

    return RedisNotifier(url, store.deployment, clock=store.clock, reads_events=with_api, runs_jobs=with_worker)


def read_keys(settings: Settings) -> tuple[Keys, KeyFile | None]:
    """The API keys of the setting and of the file, and the loop that reads that again.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    if settings.api_keys_file is None:
        return Keys(settings.api_keys or None), None
    keys = Keys(settings.api_keys)
    key_file = KeyFile(settings.api_keys_file, settings.api_keys, keys)
    key_file.load()
    return keys, key_file


async def migrate_now(settings: Settings) -> list[str]:
    """Bring the database up to date; the migrations that were applied.

    Raises:
        ConfigurationError: it cannot be reached or changed; the message says which database, without its password.
    """
    url = settings.database
    try:
        _try_to_open(url)
        return await migrate(url)
    except (BaseORMException, sqlite3.Error, OSError, TimeoutError) as error:
        reason = error.__cause__ or error
        raise ConfigurationError(f"The database {url.display} cannot be migrated: {reason}") from error
    except Exception as error:
        if type(error).__module__.startswith("pymysql"):
            raise ConfigurationError(f"The database {url.display} cannot be migrated: {error}") from error
        raise


async def lacking_migrations(settings: Settings) -> list[str]:
    """The migrations that the database lacks.

    Raises:
        Unavailable: it cannot be reached, or not within 10 s.
    """
    store = Store(database_for(settings.database))
    try:
        _try_to_open(settings.database)
        await store.database.open()
        async with asyncio.timeout(10):
            return await store.missing_migrations()
    except (sqlite3.Error, TimeoutError) as error:
        raise Unavailable(str(error) or "it does not answer") from error
    finally:
        await store.database.close()


def _try_to_open(url: DatabaseURL) -> None:
    """Find here that a SQLite file cannot be opened: Tortoise waits for ever once a first connection has failed."""
    if url.dialect == "sqlite":
        with contextlib.closing(sqlite3.connect(url.database, timeout=10)) as file:
            file.execute("PRAGMA schema_version")
