"""Postgres in a directory: found, set up, started, shared and ended without an administrator.

`binaries` finds the programs and `programs` runs them, `account` is the user they run as,
`layout` names the files, `cluster` makes a new one, `leftovers` finds what killed processes
left behind, `locks` and `supervisor` decide how long the server lives, and `server` puts
them together.
"""
