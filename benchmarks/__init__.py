"""Figures of the README: each module prints our figure and the other's from one run."""
