"""Ownership: the proof of what is this run's, the ledger of creations, and the guard."""
