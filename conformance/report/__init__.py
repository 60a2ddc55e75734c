"""Reports: verdicts as files and as terminal output."""
