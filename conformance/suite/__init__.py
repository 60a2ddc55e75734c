"""The checks: one module per capability; each check names the requirements that it decides."""
