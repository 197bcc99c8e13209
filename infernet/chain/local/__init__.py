"""A chain of one's own for trials: anvil where it is installed, else py-evm behind JSON-RPC."""
