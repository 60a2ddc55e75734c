"""The reference deployment: HTTP over the model of threads."""
