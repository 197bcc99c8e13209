"""A whole network on one machine: its folder, its processes, and who looks after them."""
