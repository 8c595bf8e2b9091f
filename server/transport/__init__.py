"""GraphQL over HTTP and over websockets: bytes in, bytes out, and one mapping from errors to answers.

It knows the protocols and nothing of jobs; who may do what is decided by whoever supplies ``context_for``.
"""
