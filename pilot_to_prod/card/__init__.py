"""The production scorecard."""

from pilot_to_prod.card.judged import EXIT, SCHEMA, Scorecard, Section, facts_of, hashes, scorecard, section

__all__ = ["EXIT", "SCHEMA", "Scorecard", "Section", "facts_of", "hashes", "scorecard", "section"]
