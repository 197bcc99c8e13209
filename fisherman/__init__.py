"""The watcher: re-executes assertions and challenges false ones."""
