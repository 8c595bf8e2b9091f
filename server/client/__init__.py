"""A client of a running server, over its public GraphQL API alone: ``signalbox jobs``.

It imports nothing of the server, so it starts quickly and works on a machine that has no database.
"""
