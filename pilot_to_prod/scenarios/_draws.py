"""Counter-based randomness: a draw is a hash, so it depends on nothing but what it is for.

A draw is a 64-bit hash of (seed, stream, row key, column, unit). There is no state to advance: the same row gets the
same draw whatever the batch, the order, the process or the number of workers. The mixer is the finaliser of
SplitMix64 (Steele, Lea & Flood 2014, variant 13 of Stafford).
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.special import ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_WORD = (1 << 64) - 1


def mix(x: np.ndarray) -> np.ndarray:
    "Finaliser of SplitMix64 over an array of uint64; wraps around by design."
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def name_hash(*parts: object) -> np.uint64:
    "64-bit BLAKE2b of some names: one stream a scenario, a column or a purpose."
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def key_hashes(keys: Iterable[str]) -> np.ndarray:
    "uint64 SipHash of canonical row keys, shape (n,), by pandas' vectorised and seeded hash."
    return pd.util.hash_array(np.asarray(keys, dtype=object), categorize=False)


def unit_hashes(
    keys: np.ndarray,  # uint64 hash of the row key of each unit, shape (n,)
    units: np.ndarray,  # position of the unit within its row, shape (n,)
    *,
    seed: int,
    stream: np.uint64,  # scenario without its severity, and its stage
    column: str,
) -> np.ndarray:
    "One uint64 a unit, from everything that a draw may depend on."
    start = np.uint64((int(stream) + (int(seed) * 0xD1B54A32D192ED03)) & _WORD)
    h = mix(keys ^ mix(np.array([start], np.uint64))[0])
    h = mix(h + name_hash("column", column))
    return mix(h + (units.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


class Draws:
    "Random numbers for some units: each named stream is independent of the others and of the order of asking."

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = hashes

    def __len__(self) -> int:
        return len(self.hashes)

    def __getitem__(self, which: np.ndarray) -> "Draws":
        return Draws(self.hashes[which])

    def bits(self, stream: str = "") -> np.ndarray:
        "64 random bits a unit, shape (n,)."
        return mix(self.hashes ^ name_hash("draw", stream))

    def uniform(self, stream: str = "") -> np.ndarray:
        "Uniform in the open interval (0, 1), 53 bits, shape (n,)."
        return ((self.bits(stream) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def below(self, n: int | np.ndarray, stream: str = "") -> np.ndarray:
        "Integers in [0, n), shape (n,); n may differ for each unit and is at least 1."
        return np.minimum((self.uniform(stream) * n).astype(np.int64), np.asarray(n) - 1)

    def normal(self, stream: str = "") -> np.ndarray:
        "Standard normal by inversion, shape (n,)."
        return ndtri(self.uniform(stream))
