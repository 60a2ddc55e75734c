"""The sets of blind faults, frozen before their first run."""
