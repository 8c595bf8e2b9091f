"""Measurements, each a script that prints what it did, on what, and the figures. Run one at a time."""
