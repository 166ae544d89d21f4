"""What is broken, how often, and what became of the jobs: `python -m benchmarks.faults`."""
