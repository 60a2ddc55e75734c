"""What faults are made of."""
