"""Effects around the pure machine and game: models, backend, chain, actors, command line."""
