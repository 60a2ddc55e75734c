"""Who is asked: settings, client, guard, ledger and record."""
