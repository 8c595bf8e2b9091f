"""Reads the rows of one text column from aiomysql's connection, as many at once as have arrived.

aiomysql awaits each packet twice and makes an object of it: 5 us a row, which is most of what a page of jobs costs. The
texts are the same, and so are the errors. Whoever is interrupted closes the connection, as after any other statement.
"""

from __future__ import annotations

import aiomysql
from pymysql import err
from pymysql.constants import COMMAND, CR

CHUNK = 1 << 18
HEADER = 4
FULL = 0xFFFFFF
"""The length of a packet that goes on in the next one."""
EOF, ERROR, NULL = 0xFE, 0xFF, 0xFB
_SIZES = {0xFC: 2, 0xFD: 3, 0xFE: 8}


async def query_texts(connection: aiomysql.Connection, sql: str) -> list[str]:
    """The values of a SELECT of one text column that is never NULL.

    Raises:
        pymysql.err.MySQLError: the server has refused it, or the connection was lost.
    """
    await connection._execute_command(COMMAND.COM_QUERY, sql)
    packets = _Packets()
    while not packets.are_complete:
        data = await connection._reader.read(CHUNK)
        if not data:
            connection.close()
            raise err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
        packets.feed(data)
    return packets.texts


class _Packets:
    """A result set as it arrives: how many columns, the column, EOF, rows, EOF (the classic protocol, to which aiomysql
    agrees with every server)."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.are_complete = False
        self._rest = b""
        self._parts: list[bytes] = []
        self._ends = 0
        self._is_in_rows = False

    def feed(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        start, end = 0, len(data)
        while end - start >= HEADER:
            length = data[start] | data[start + 1] << 8 | data[start + 2] << 16
            first, last = start + HEADER, start + HEADER + length
            if last > end:
                break
            start = last
            if self._is_in_rows and length != FULL and not self._parts and data[first] < NULL:  # nearly every packet
                self.texts.append(str(data[first + 1 : last], "utf-8"))
            elif length == FULL or self._parts:
                self._parts.append(data[first:last])
                if length != FULL:
                    whole = b"".join(self._parts)
                    self._parts = []
                    self._packet(whole, 0, len(whole))
            else:
                self._packet(data, first, last)
        self._rest = data[start:]

    def _packet(self, data: bytes, first: int, last: int) -> None:
        kind = data[first]
        if kind == EOF and last - first < 9:
            self._ends += 1
            self.are_complete = self._ends == 2
            self._is_in_rows = self._ends == 1
        elif kind == ERROR:
            err.raise_mysql_exception(data[first:last])
        elif self._ends:
            size = 0 if kind < NULL else _SIZES[kind]
            self.texts.append(str(data[first + 1 + size : last], "utf-8"))
