"""What operators look at: snapshots, metrics and alerts."""
