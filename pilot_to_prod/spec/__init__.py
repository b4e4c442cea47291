"""The promise of a pilot, as written in pilot.yaml."""

from pilot_to_prod.spec._frames import read_frame
from pilot_to_prod.spec._hashes import file_hash, hash_json
from pilot_to_prod.spec._read import Problem, SpecError, near
from pilot_to_prod.spec.model import (
    INPUT_ROLES,
    LOWER_IS_BETTER,
    ROLES,
    Attestation,
    Behaviour,
    Column,
    Data,
    Dependency,
    Gate,
    Governance,
    Model,
    Outcome,
    Owner,
    Parallel,
    Replayed,
    Retraining,
    Slice,
    Spec,
    about,
    canonical,
    guess_roles,
    json_schema,
    parse,
    threshold,
)

__all__ = [
    "INPUT_ROLES", "LOWER_IS_BETTER", "ROLES", "Attestation", "Behaviour", "Column", "Data", "Dependency", "Gate",
    "Governance", "Model", "Outcome", "Owner", "Parallel", "Problem", "Replayed", "Retraining", "Slice", "Spec",
    "SpecError", "about", "canonical", "file_hash", "guess_roles", "hash_json", "json_schema", "near", "parse", "read_frame",
    "threshold",
]
