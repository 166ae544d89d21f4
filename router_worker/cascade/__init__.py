"""When a cheap answer may stand: evidence on an answer as a score, and thresholds that keep a promise.

    evidence on the answer → score in 0..1 → threshold from labelled outcomes → keep it, or ask the strong model

Where the answers of several models can be compared, `asking` plans whom to ask next, and after whom to stop.

Everything here is arithmetic over values: no clock, no chance, no I/O.
"""
