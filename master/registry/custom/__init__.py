"""Custom resources: kinds that users define, served from their definitions while they exist.

`schema` reads a definition's schema; `pruning`, `defaulting`, `values` and `rules` are what it asks of objects, as pure
functions; `kinds` makes a served resource of each version; `serving` keeps what is served in step with the definitions.
"""
