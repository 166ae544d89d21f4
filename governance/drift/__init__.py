"""Whether a provider is not what it was: slower than it used to be, or failing more often than is usual.

Detectors are small frozen values that are given one observation after the other and give their next state. They keep
no clock and draw nothing; what a provider's workers saw is folded into one state, which lies in the provider's row, so
that twenty calls are twenty calls however many workers made them.
"""
