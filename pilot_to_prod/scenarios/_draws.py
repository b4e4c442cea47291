"""Counter-based randomness: a draw is a hash, so it depends on nothing but what it is for.

A draw is a 64-bit hash of (seed, stream, row key, column, unit). There is no state to advance: the same row gets the
same draw whatever the batch, the order, the process or the number of workers.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from pilot_to_prod.scenarios._kernels import GOLDEN, hash_bytes, mix, unit_hashes

_WORD = (1 << 64) - 1


def name_hash(*parts: object) -> np.uint64:
    "64-bit BLAKE2b of some names: one stream a scenario, a column or a purpose."
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def key_hashes(keys: Sequence[str] | np.ndarray) -> np.ndarray:
    "uint64 hash of row keys, shape (n,): whole numbers count as the text that they are written as."
    found = keys if isinstance(keys, np.ndarray) else np.array(keys, dtype=object)  # numpy's own text type drops trailing NULs
    if found.dtype.kind in "iu" and (not len(found) or found.min() >= 0):
        return _number_hashes(found.astype(np.uint64))
    pieces = [str(k).encode("utf-8", "surrogatepass") for k in found.tolist()]
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    starts = np.cumsum(lengths) - lengths
    return hash_bytes(np.frombuffer(b"".join(pieces), np.uint8), starts, lengths)


def _number_hashes(numbers: np.ndarray) -> np.ndarray:
    "The same as the hashes of their decimal digits, without making strings: eight digits at a time, numbers of one length together."
    most = len(str(int(numbers.max()))) if len(numbers) else 1
    lengths = np.ones(len(numbers), np.int8)
    for digits in range(1, most):
        lengths += numbers >= np.uint64(10**digits)
    out = np.empty(len(numbers), np.uint64)
    for length in range(1, most + 1):
        here = lengths == length
        if here.any():
            out[here] = _hashes_of_length(numbers[here], length)
    return out


def _hashes_of_length(numbers: np.ndarray, length: int) -> np.ndarray:
    ten, zero, eight = np.uint64(10), np.uint64(48), np.uint64(8)
    out = np.full(len(numbers), GOLDEN)
    for first in range(0, length, 8):
        word = np.zeros(len(numbers), np.uint64)
        for place in range(min(first + 8, length) - 1, first - 1, -1):  # the first digit ends up in the lowest byte
            word <<= eight
            word |= numbers // np.uint64(10 ** (length - 1 - place)) % ten + zero
        out = mix(out ^ word)
    return mix(out + np.uint64(length))


def row_hashes(
    keys: np.ndarray,  # uint64 hash of each row's key
    *,
    seed: int,
    stream: np.uint64,  # scenario without its severity, and its stage
) -> np.ndarray:
    "One uint64 a row, from everything but column and unit."
    start = np.uint64((int(stream) + (int(seed) * 0xD1B54A32D192ED03)) & _WORD)
    return mix(keys ^ mix(np.array([start], np.uint64))[0])


class Draws:
    "Random numbers for some units: each named stream is independent of the others and of the order of asking."

    def __init__(
        self,
        hashes: np.ndarray,  # uint64, one a unit
        which: np.ndarray | None = None,  # the units among them, bool; None: all
    ) -> None:
        self._all, self._which = hashes, which

    @cached_property
    def hashes(self) -> np.ndarray:
        return self._all if self._which is None else self._all[self._which]

    def __len__(self) -> int:
        return len(self.hashes)

    def __getitem__(self, which: np.ndarray) -> "Draws":
        return Draws(self.hashes[which])

    def bits(self, stream: str = "") -> np.ndarray:
        "64 random bits a unit, shape (n,)."
        return mix(self.hashes ^ name_hash("draw", stream))

    def uniform(self, stream: str = "") -> np.ndarray:
        "Uniform in the open interval (0, 1), 52 bits, shape (n,)."
        return unit_interval(self.bits(stream))

    def below(self, n: int | np.ndarray, stream: str = "") -> np.ndarray:
        "Integers in [0, n), shape (n,); n may differ for each unit and is at least 1."
        return np.minimum((self.uniform(stream) * n).astype(np.int64), np.asarray(n) - 1)

    def normal(self, stream: str = "") -> np.ndarray:
        "Standard normal by inversion, shape (n,)."
        return ndtri(self.uniform(stream))


def unit_interval(bits: np.ndarray) -> np.ndarray:
    "64 bits as numbers in the open interval (0, 1)."
    out = (bits >> np.uint64(12)).astype(np.float64)
    out += 0.5
    out *= 2.0**-52
    return out


__all__ = ["GOLDEN", "Draws", "key_hashes", "name_hash", "row_hashes", "unit_hashes", "unit_interval"]
