"""What anyone can check afterwards: receipts and replays."""
