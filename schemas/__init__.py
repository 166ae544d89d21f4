"""The ground floor: frozen values, the lifecycle table, errors, canonical bytes. No I/O lives here."""
