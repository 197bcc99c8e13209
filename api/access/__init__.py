"""Who may ask the gateway for what, how often and how much; and what it refuses unread."""
