"""From verdicts to files."""
