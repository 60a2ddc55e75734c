"""The wire: connections on which a whole answer has one time limit and a largest size."""
