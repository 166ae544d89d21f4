"""How large each scenario is: `quick` for every commit, `usual` for ten minutes on two cores, `full` for hours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    name: str
    kill_jobs: int
    kills: int
    kill_every_s: float
    pauses: int
    wipe_jobs: int
    wipes: int
    ill_jobs: int
    """In each of the two measurements of throughput, before and after an illness of the broker."""
    accepts: int
    """Submissions in each measurement of their time."""
    half_open_s: float
    resets: int
    database_s: float
    database_every_s: tuple[float, float]
    backends: int
    """Connections of PostgreSQL that are ended under their owners."""
    commit_jobs: int
    bell_jobs: int
    commit_share: float
    """Of transactions that meet a fault."""
    ceilings: int
    ceiling_jobs: int
    """Handed in at once, again and again."""
    ceiling_dwell_s: float
    provider_jobs: int
    point_jobs: int
    """In one round of the failpoints."""
    point_kills: int
    """At each failpoint; 0: as many as come in one round."""
    control_jobs: int
    control_kills: int


QUICK = Scale(
    name="quick",
    kill_jobs=240,
    kills=8,
    kill_every_s=0.7,
    pauses=2,
    wipe_jobs=150,
    wipes=1,
    ill_jobs=80,
    accepts=30,
    half_open_s=3.0,
    resets=3,
    database_s=6.0,
    database_every_s=(2.0, 4.0),
    backends=6,
    commit_jobs=200,
    bell_jobs=60,
    commit_share=0.05,
    ceilings=8,
    ceiling_jobs=120,
    ceiling_dwell_s=0.5,
    provider_jobs=60,
    point_jobs=80,
    point_kills=0,
    control_jobs=100,
    control_kills=4,
)

USUAL = Scale(
    name="usual",
    kill_jobs=2_500,
    kills=60,
    kill_every_s=1.0,
    pauses=12,
    wipe_jobs=1_500,
    wipes=3,
    ill_jobs=400,
    accepts=150,
    half_open_s=12.0,
    resets=6,
    database_s=50.0,
    database_every_s=(5.0, 9.0),
    backends=40,
    commit_jobs=2_500,
    bell_jobs=500,
    commit_share=0.01,
    ceilings=40,
    ceiling_jobs=400,
    ceiling_dwell_s=0.6,
    provider_jobs=300,
    point_jobs=150,
    point_kills=1,
    control_jobs=600,
    control_kills=20,
)

FULL = Scale(
    name="full",
    kill_jobs=20_000,
    kills=300,
    kill_every_s=1.0,
    pauses=50,
    wipe_jobs=20_000,
    wipes=10,
    ill_jobs=2_000,
    accepts=500,
    half_open_s=60.0,
    resets=30,
    database_s=600.0,
    database_every_s=(5.0, 40.0),
    backends=300,
    commit_jobs=20_000,
    bell_jobs=20_000,
    commit_share=0.01,
    ceilings=100,
    ceiling_jobs=1_000,
    ceiling_dwell_s=1.0,
    provider_jobs=2_000,
    point_jobs=300,
    point_kills=5,
    control_jobs=20_000,
    control_kills=300,
)

SCALES = {scale.name: scale for scale in (QUICK, USUAL, FULL)}
