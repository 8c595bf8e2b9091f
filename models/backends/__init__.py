"""Tortoise's clients, guarded: every connection that statements use passes through here."""
