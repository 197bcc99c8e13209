"""The miner: claims tasks, executes, asserts and defends."""
