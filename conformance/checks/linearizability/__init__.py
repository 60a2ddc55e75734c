"""Random concurrent programs, and whether one order of their requests explains all answers."""
