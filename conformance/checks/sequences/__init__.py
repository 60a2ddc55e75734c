"""Random sequences of operations: the machine that makes them, and what it knows."""
