"""Get AI pilots safely into production: write the promise down, replay reality against it, read the scorecard."""

__version__ = "0.1.0"
