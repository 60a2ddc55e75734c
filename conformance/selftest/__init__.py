"""The suite tested by itself: every fault of the reference against every check."""
