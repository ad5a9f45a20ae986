"""Many queries that survive anything: a journal, workers on this machine or on a cluster, radii by bisection.

`runner.run` carries inquiries (one radius each, or the search for the largest) through a pool and commits
every answer to the journal before anything else happens. What a query is, how it is decided and what its
evidence looks like is said elsewhere (verify, cli).
"""
