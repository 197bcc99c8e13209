"""What survives a crash: one SQLite file for each account."""
