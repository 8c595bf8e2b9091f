"""The command ``signalbox``. Exit codes: 0 fine, 1 failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator
from typing import Annotated, Any, Literal, NoReturn

import structlog
import typer
import uvicorn
from starlette.applications import Starlette
from uvicorn.loops.auto import auto_loop_factory

from engine.errors import ConfigurationError, Unavailable
from engine.worker import LEASE_SECONDS
from resolvers.redaction import Redactor
from resolvers.root import sdl
from server import STARTED, interpreter
from server.app import build_app
from server.banner import Banner, is_wanted
from server.client.commands import jobs
from server.client.task_commands import tasks
from server.logs import configure_logs
from server.probes import probe_port
from server.processes import MAX_PROCESSES, Processes, listen, own_command
from server.settings import Settings, read_settings
from server.transport.direct import DirectWebSocketProtocol
from server.transport.direct_http import DirectHTTPProtocol
from server.version import VERSION
from server.wiring import Application, build, lacking_migrations, migrate_now, read_keys

log = structlog.get_logger("signalbox.cli")
cli = typer.Typer(
    name="signalbox", help="A job scheduler with a GraphQL API.", no_args_is_help=True, pretty_exceptions_enable=False
)
cli.add_typer(jobs)
cli.add_typer(tasks)

Tasks = Annotated[
    list[str] | None, typer.Option("--tasks", metavar="MODULE_OR_PATH", help="Your tasks; may be given several times.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="TASK", help="Run jobs of this task, and of no other; may be given several times."),
]
Slots = Annotated[int, typer.Option(min=1, max=10_000, help="How many jobs run at once.")]
Grace = Annotated[float, typer.Option(min=0, help="Seconds that running jobs get when the process is told to stop.")]
Lease = Annotated[float, typer.Option(min=1, hidden=True, help="Seconds that a claim lasts without a heartbeat.")]


def main() -> None:
    """Run the command; a configuration error is one line and exit code 1."""
    try:
        cli()
    except ConfigurationError as error:
        _fail(str(error))


def _settings(log_style: Literal["auto", "console", "json"] | None = None) -> Settings:
    """What the environment says; from here on there is a log."""
    settings = read_settings()
    configure_logs(log_style or settings.log_format, Redactor(settings.redacted_keys))
    return settings


def _fail(message: str) -> NoReturn:
    print(f"signalbox: {message}", file=sys.stderr)
    raise SystemExit(1)


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Serve clients only; run no jobs here.")] = False,
    slots: Slots = 10,
    grace: Grace = 30.0,
    lease: Lease = LEASE_SECONDS,
    tasks: Tasks = None,
    only: Only = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate MySQL too (SQLite always is).")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond loopback although no keys are set.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, max=MAX_PROCESSES, help="How many servers share the port, each with its worker.")
    ] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True, help="An open port that was inherited.")] = None,
) -> None:
    """Serve the API, the dashboard and GraphiQL, with an embedded worker."""
    settings = _settings()
    if not insecure and not _is_loopback(host) and read_keys(settings)[0].is_open:
        _fail(
            f"{host} is not a loopback address, and there are no API keys: anyone who reaches it could run jobs. "
            "Set SIGNALBOX_API_KEYS (name:role:key,...), listen on 127.0.0.1, or say --insecure."
        )
    application = build(
        settings,
        task_sources=tasks or [],
        only=only or [],
        with_worker=not no_worker,
        slots=slots,
        grace_seconds=grace,
        lease_seconds=lease,
    )
    if settings.database.dialect == "sqlite" or migrate:
        asyncio.run(_migrate(settings))
    else:
        asyncio.run(_refuse_unmigrated(settings))
    if processes > 1 and settings.notifier == "memory":
        _fail("SIGNALBOX_NOTIFIER=memory is for one server; several processes need poll, or redis.")
    if processes > 1 and fd is None:
        raise SystemExit(Processes(own_command("--processes"), listen(host, port), processes).run())
    _serve(build_app(application, host=host), application, host, port, grace, fd)


def _serve(app: Starlette, application: Application, host: str, port: int, grace: float, fd: int | None) -> None:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        root_path=application.settings.root_path,
        log_config=None,
        access_log=False,
        lifespan="on",
        http=DirectHTTPProtocol,
        ws=DirectWebSocketProtocol,
        ws_per_message_deflate=False,  # of each socket's own: an event to a thousand would be compressed as often
        ws_max_size=application.settings.max_body_bytes,
        timeout_graceful_shutdown=int(grace) + 5,
        server_header=False,
    )
    server = Server(config, app, application)
    try:
        server.run(None if fd is None else [socket.socket(fileno=fd)])
    except SystemExit:  # with uvicorn's own code: the port is taken, say
        raise SystemExit(1) from None
    if not server.started:
        raise SystemExit(1)


class Server(uvicorn.Server):
    """uvicorn's server; it says when it is ready, and a second signal ends the grace period."""

    def __init__(self, config: uvicorn.Config, app: Starlette, application: Application) -> None:
        super().__init__(config)
        self._app = app
        self._application = application

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        if not self.started:
            return
        interpreter.tune()
        application = self._application
        ports = [each.getsockname()[1] for server in self.servers for each in server.sockets]
        url = f"http://{self.config.host}:{ports[0]}{application.settings.root_path}"
        database = application.settings.database.display
        slots = application.worker.slots if application.worker else 0
        tasks, keys = len(application.registry), len(application.keys)
        if is_wanted(application.settings.log_format):
            seconds = time.monotonic() - STARTED
            is_loopback = _is_loopback(self.config.host)
            print(Banner(VERSION, seconds, url, database, slots, tasks, keys, is_loopback), file=sys.stderr, flush=True)
        else:
            log.info(
                "signalbox.ready",
                version=VERSION,
                url=f"{url}/graphql",
                database=database,
                slots=slots,
                tasks=tasks,
                keys=keys,
            )
        if application.keys.is_open and not _is_loopback(self.config.host):
            log.warning("signalbox.open", host=self.config.host, remedy="set SIGNALBOX_API_KEYS")

    async def shutdown(self, sockets: Any = None) -> None:
        # uvicorn waits for its requests first, and a stream is a request that does not end by itself
        await self._app.state.end_streams()
        await super().shutdown(sockets=sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
        _let_it_end()

    def handle_exit(self, sig: int, frame: Any) -> None:
        # Not uvicorn's own: that one raises the signal once more at the end, and the exit code would not be 0.
        if self.should_exit and self._application.worker is not None:
            asyncio.get_running_loop().call_soon_threadsafe(self._application.worker.hurry)
        self.should_exit = True


@cli.command()
def worker(
    slots: Slots = 10,
    grace: Grace = 30.0,
    lease: Lease = LEASE_SECONDS,
    tasks: Tasks = None,
    only: Only = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /metrics, /healthz and /readyz at this port.")
    ] = None,
    metrics_host: Annotated[str | None, typer.Option(help="Address of that port.", show_default="127.0.0.1")] = None,
) -> None:
    """Run jobs, and serve no clients."""
    settings = _settings()
    application = build(
        settings,
        task_sources=tasks or [],
        only=only or [],
        slots=slots,
        grace_seconds=grace,
        lease_seconds=lease,
        with_api=False,
    )
    if settings.database.dialect == "sqlite":
        asyncio.run(_migrate(settings))
    else:
        asyncio.run(_refuse_unmigrated(settings))
    host = settings.metrics_host if metrics_host is None else metrics_host
    port = settings.metrics_port if metrics_port is None else metrics_port
    _run(_work(application, None if port is None else (host, port)))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop, as the server is."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(work)


async def _work(application: Application, probes_at: tuple[str, int] | None) -> None:
    stop = asyncio.Event()

    def told_to_stop() -> None:
        if stop.is_set() and application.worker is not None:
            application.worker.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told_to_stop)
    async with contextlib.AsyncExitStack() as ends:
        probes = None
        if probes_at is not None:
            probes = await ends.enter_async_context(probe_port(application, *probes_at))
        await application.start()
        interpreter.tune()
        log.info(
            "worker.ready",
            version=VERSION,
            database=application.settings.database.display,
            slots=application.worker.slots if application.worker else 0,
            tasks=len(application.worker.takes.names if application.worker else ()),
            **({"url": f"{probes}/metrics"} if probes else {}),
        )
        await stop.wait()
        await application.stop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(each)
    _let_it_end()


def _let_it_end() -> None:
    """All is done but for the interpreter's own end: who asks for that once more does not change the exit code."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)


@cli.command()
def migrate() -> None:
    """Bring the database up to date."""
    settings = _settings()
    asyncio.run(_migrate(settings))


async def _migrate(settings: Settings) -> None:
    applied = await migrate_now(settings)
    if applied:
        log.info("database.migrated", database=settings.database.display, migrations=applied)


@cli.command()
def schema() -> None:
    """Print the schema in GraphQL's schema definition language."""
    print(sdl(), end="")


@cli.command()
def check(tasks: Tasks = None) -> None:
    """Say whether settings, tasks, database and Redis are in order; exit code 1 where not."""
    settings = _settings("console")
    application = build(settings, task_sources=tasks or [])
    print(f"settings    fine; {len(application.registry)} tasks")
    keys = application.keys
    print(f"API keys    {'none: everyone who can reach it is an admin' if keys.is_open else len(keys)}")
    problem = asyncio.run(_check_database(settings))
    print(f"database    {settings.database.display}: {problem or 'fine'}")
    unheard = asyncio.run(application.notifier.find_problem())
    print(f"notifier    {application.notifier.where}{f': {unheard}' if unheard else ''}")
    target = settings.webhook_url
    print(f"webhook     {target or 'none'}{'' if target is None or settings.webhook_secret else ' (unsigned)'}")
    raise SystemExit(1 if problem or unheard else 0)


async def _check_database(settings: Settings) -> str | None:
    """What is not in order; None when all is."""
    try:
        lacking = await lacking_migrations(settings)
    except Unavailable as error:
        return f"cannot be reached ({error})"
    return f"lacks {', '.join(lacking)}; run `signalbox migrate`" if lacking else None


async def _refuse_unmigrated(settings: Settings) -> None:
    """A database that is away may come later. One that lacks migrations is for people to see to."""
    with contextlib.suppress(Unavailable):
        if lacking := await lacking_migrations(settings):
            raise ConfigurationError(
                f"The database {settings.database.display} lacks {', '.join(lacking)}; run `signalbox migrate`."
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
