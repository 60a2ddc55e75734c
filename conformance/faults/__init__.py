"""The faults by capability; each module registers its own on import."""
