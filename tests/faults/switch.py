"""An Ethernet switch in a process of its own, between the TAP devices that its arguments name.

It reads its rules from its input, one JSON object a line: ``delay`` in seconds and ``loss`` as a chance, of every
frame; ``cut``, the devices from and to which nothing passes; ``cut_ports``, TCP ports that nothing passes to or from;
``seed`` of the chances. Not every kernel can delay and lose packets by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time
from typing import Any

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
FRAME_BYTES = 65_536
BURST = 64
"""Frames that are read from one device before the next has its turn."""
IPV4, TCP = b"\x08\x00", 6


def open_tap(name: str) -> int:
    """The descriptor of a TAP device, which is made; it stays the switch's wherever the device is moved."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


class Switch:
    """Learns who is where, and sends frames there."""

    def __init__(self, devices: list[str]) -> None:
        self._names = {open_tap(name): name for name in devices}
        self._places: dict[bytes, int] = {}
        self._waiting: list[tuple[float, int, bytes, list[int]]] = []
        self._count = 0
        self._chance = random.Random(1)
        self._rules: dict[str, Any] = {"delay": 0.0, "loss": 0.0, "cut": [], "cut_ports": []}

    def run(self) -> None:
        """Until the input ends."""
        poll = select.epoll()
        for descriptor in (*self._names, sys.stdin.fileno()):
            poll.register(descriptor, select.EPOLLIN)
        while True:
            timeout = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else -1
            for descriptor, _ in poll.poll(timeout):
                if descriptor in self._names:
                    self._take(descriptor)
                elif not self._obey(sys.stdin.readline()):
                    return
            self._send_due()

    def _obey(self, line: str) -> bool:
        if not line:
            return False
        rules = json.loads(line)
        if "seed" in rules:
            self._chance = random.Random(rules["seed"])
        self._rules |= rules
        print("done", flush=True)
        return True

    def _take(self, source: int) -> None:
        for _ in range(BURST):
            try:
                frame = os.read(source, FRAME_BYTES)
            except OSError:  # there is no more, or its host is being taken down
                return
            self._places[frame[6:12]] = source
            if self._is_lost(frame, source):
                continue
            known = self._places.get(frame[:6])
            targets = [known] if known is not None else [each for each in self._names if each != source]
            targets = [each for each in targets if self._names[each] not in self._rules["cut"]]
            if self._rules["delay"]:
                self._count += 1
                due = time.monotonic() + self._rules["delay"]
                heapq.heappush(self._waiting, (due, self._count, frame, targets))
            else:
                self._send(frame, targets)

    def _is_lost(self, frame: bytes, source: int) -> bool:
        rules = self._rules
        if self._names[source] in rules["cut"]:
            return True
        if rules["cut_ports"] and frame[12:14] == IPV4 and frame[23] == TCP:
            at = 14 + (frame[14] & 0x0F) * 4
            ports = struct.unpack("!HH", frame[at : at + 4])
            if any(port in rules["cut_ports"] for port in ports):
                return True
        return bool(rules["loss"]) and self._chance.random() < rules["loss"]

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, frame, targets = heapq.heappop(self._waiting)
            self._send(frame, targets)

    def _send(self, frame: bytes, targets: list[int]) -> None:
        for target in targets:
            with contextlib.suppress(OSError):  # its queue is full, or it is down: networks lose frames
                os.write(target, frame)


if __name__ == "__main__":
    switch = Switch(sys.argv[1:])
    print("done", flush=True)
    switch.run()
