"""Random sequences of operations: the state machine, and the state of one sequence."""
