"""The process: settings, transports, the command line, and what holds them together."""

import time

STARTED = time.monotonic()
"""When the process began to load the server, for those who are told how long the start took."""
