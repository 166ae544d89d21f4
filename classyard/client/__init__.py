"""The client of a yard's HTTP API, for programs in Python.

    blocking · asynchronous   `Client` and `AsyncClient`: the same methods, over httpx; the only two that send
    operations                what each method does, as a generator of effects: sends nothing, waits for nothing
    effects                   what an operation may ask for: send, open, read, pause, give
    retries                   whether to send again, and after how long
    bodies                    documents to lines, in constant memory
    values · problems         what comes back: frozen values, and typed errors
    place                     which yard, and by which key
    webhooks                  whether a webhook comes from the yard

It imports nothing of the yard's own rooms but `schemas.errors`, so it starts quickly.
"""
