"""Tests of the suite: faults and freedoms against checks, the model against real servers."""
