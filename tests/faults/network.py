"""Several hosts on one machine: network namespaces with addresses of their own, and a network that can be broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from requirements import Missing

SWITCH = Path(__file__).parent / "switch.py"
MTU = "9000"


@dataclass(frozen=True, slots=True)
class Host:
    """``namespace`` is None for the one that this process is on."""

    device: str
    address: str
    namespace: str | None


class Network:
    """Open it with ``with``; everything that was made is removed at the end.

    Args:
        names: of the hosts beside this one.

    Raises:
        Missing: hosts cannot be made here.
    """

    def __init__(self, *names: str) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists():
            raise Missing("install iproute2, and run as root where there is /dev/net/tun")
        number = os.getpid() % 10_000
        self.subnet = f"10.{100 + number % 100}.{number // 100}.0/24"
        start = self.subnet.removesuffix("0/24")
        self.here = Host(f"sb{number}h1", f"{start}1", None)
        self.hosts = {
            name: Host(f"sb{number}h{place}", f"{start}{place}", f"signalbox-{number}-{name}")
            for place, name in enumerate(names, 2)
        }
        self._switch: subprocess.Popen[str] | None = None
        self._made = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as making:
            everyone = [self.here, *self.hosts.values()]
            self._switch = subprocess.Popen(
                [sys.executable, str(SWITCH), *(each.device for each in everyone)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            making.callback(self._end_switch)
            self._await_switch()
            for host in everyone:
                inside: list[str] = []
                if host.namespace is not None:
                    _ip("netns", "add", host.namespace)
                    making.callback(_ip, "netns", "delete", host.namespace)
                    _ip("link", "set", host.device, "netns", host.namespace)
                    inside = ["-n", host.namespace]
                    _ip(*inside, "link", "set", "lo", "up")
                _ip(*inside, "link", "set", host.device, "mtu", MTU, "up")
                _ip(*inside, "address", "add", f"{host.address}/24", "dev", host.device)
            self._made = making.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._made.close()

    def set(self, **rules: Any) -> None:
        """The rules from now on, as ``switch.py`` has them; ``cut`` takes names of hosts."""
        if "cut" in rules:
            rules["cut"] = [self.hosts[name].device for name in rules["cut"]]
        assert self._switch is not None
        assert self._switch.stdin is not None
        self._switch.stdin.write(json.dumps(rules) + "\n")
        self._switch.stdin.flush()
        self._await_switch()

    def heal(self) -> None:
        self.set(delay=0.0, loss=0.0, cut=[], cut_ports=[])

    def _await_switch(self) -> None:
        assert self._switch is not None
        assert self._switch.stdout is not None
        if self._switch.stdout.readline() != "done\n":
            raise Missing("the devices of a network cannot be made here")

    def _end_switch(self) -> None:
        switch = self._switch
        assert switch is not None
        assert switch.stdin is not None
        assert switch.stdout is not None
        switch.stdin.close()
        switch.wait()
        switch.stdout.close()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"hosts cannot be made here: ip {' '.join(arguments)}: {done.stderr.strip()}")
