"""Which provider and model serves a job: one pure function of job features, policy and provider snapshot.

    lay out candidates → screen by hard constraints → estimate → score on the policy's scales → rank → plan

Nothing here reads a clock, a random number, the environment, a file or the network, and nothing is kept between two
decisions but the compiled form of a policy's conditions, so the same three values give the same bytes for ever. Every
candidate ends ranked, unavailable or refused, with a named reason.
"""
