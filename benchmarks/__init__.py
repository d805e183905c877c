"""Side by side with peers, on this machine: ``python -m benchmarks --help``."""
