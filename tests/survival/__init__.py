"""Players as processes that are killed, cheated and crowded, on a node of their own."""
