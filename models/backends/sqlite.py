"""SQLite through Tortoise's own client; the write lanes bring their own transactions (trap: deferred BEGIN)."""

from tortoise.backends.sqlite.client import SqliteClient

client_class = SqliteClient
