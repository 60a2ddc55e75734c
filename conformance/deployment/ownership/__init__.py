"""What is this run's own: proved from answers, written down before it is made, and guarded."""
