"""What work costs at the very least: a linear program over all of it, that knows everything and may divide anything.

    documents → classes of work → columns (class × model × time) → HiGHS → cost, shares, prices of what is scarce

Values in, values out: no clock, no chance, no I/O. Only `program` knows the solver.
"""
