"""Postgres in a directory: found, set up, started, shared and ended without an administrator.

`binaries` finds the programs, `account` the user they run as, `layout` names the files,
`cluster` makes a new one, `locks` and `supervisor` decide how long the server lives, and
`server` puts them together.
"""
