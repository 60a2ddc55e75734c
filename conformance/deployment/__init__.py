"""The deployment under test: settings, client, and the guard, ledger and record of each request."""
