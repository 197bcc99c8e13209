"""The same digests on every processor: run here, under hidden features and emulators."""
