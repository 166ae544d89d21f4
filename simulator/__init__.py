"""Pretend providers for demos, tests and benchmarks, honest about being simulated.

Every response carries `x-simulated: true` and reports its model as `<the model asked for>@sim-1`. Nothing
here reads a document as a language model would: `reviews` looks for known words.
"""
