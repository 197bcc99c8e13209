"""The compiled part of the backend, where a C compiler was at hand."""
