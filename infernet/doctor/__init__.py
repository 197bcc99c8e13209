"""What keeps a player from working here, and how to mend it."""
