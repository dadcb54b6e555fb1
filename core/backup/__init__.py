"""Copies of a whole hub: taken while it runs, checked before they are believed, restored into either database.

A copy is one gzip file of JSON lines, the same from SQLite and from PostgreSQL. It holds no master key: without that
the secrets in it stay sealed.
"""
