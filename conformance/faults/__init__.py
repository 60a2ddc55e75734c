"""The faults by capability; each module registers its own when it is imported."""
