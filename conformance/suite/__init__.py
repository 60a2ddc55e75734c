"""The checks: one module per capability, each check naming what it decides."""
