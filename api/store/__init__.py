"""What the gateway remembers: tasks and events in SQLite, inputs in files. See docs/adr/0009."""
