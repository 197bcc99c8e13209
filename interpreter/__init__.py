"""The reference machine: programs, states, steps and witnesses. Pure: no I/O, clocks or floats."""
