"""The miner: registers, claims tasks, executes, asserts, defends, and takes its money out."""
