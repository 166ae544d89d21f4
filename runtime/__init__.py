"""Wiring with no opinion about routing: settings, clock, database, broker, pool, HTTP."""
