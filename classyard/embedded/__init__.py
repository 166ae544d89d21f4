"""What `classyard up` runs on a machine with only Python wheels: a broker, a database, a small real model.

    home         where everything lives, the run file, the lock: one yard per home
    identity     which process is ours: a pid is signalled only together with its start time
    server       one running child: log file, record, readiness with a deadline, stop
    valkey       the broker, Valkey from a wheel
    postgres     the database, PostgreSQL 18 from a wheel (`postgres_files`: its programs and its account)
    model_server the small model, OpenAI-compatible, on loopback
    processes    the supervisor: starts, watches, restarts with growing pauses, stops in order
    watchman     stops what is left when the supervisor itself was killed

Servers listen on Unix sockets in private folders; only the model listens on loopback, behind a key.
Nothing here knows about jobs or routing.
"""
