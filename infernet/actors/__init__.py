"""What executor and fisherman share: runs they hold, the board they read, the moves they send."""
