"""Counter-based randomness: a draw is a hash, so it depends on nothing but what it is for.

A draw is a 64-bit hash of (seed, stream, row key, column, unit). There is no state to advance: the same row gets the
same draw whatever the batch, the order, the process or the number of workers.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from pilot_to_prod.scenarios._kernels import GOLDEN, compiled, hash_bytes, kth_smallest, lowest, mix, unit_hashes

_WORD = (1 << 64) - 1
_BLOCK = 1 << 14


def name_hash(*parts: object) -> np.uint64:
    "64-bit BLAKE2b of some names: one stream a scenario, a column or a purpose."
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def key_hashes(keys: Sequence[str] | np.ndarray) -> np.ndarray:
    "uint64 hash of row keys, shape (n,): whole numbers count as the text that they are written as."
    found = keys if isinstance(keys, np.ndarray) else np.array(keys, dtype=object)  # numpy's own text type drops trailing NULs
    if found.dtype.kind in "iu" and (not len(found) or found.min() >= 0):
        return _number_hashes(found.astype(np.uint64))
    with suppress(pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):  # keys of other types, lone surrogates
        text = pa.array(found, type=pa.large_string())
        if not text.null_count:
            _, edges, data = text.buffers()
            ends = np.frombuffer(edges, np.int64, len(text) + 1)
            return hash_bytes(np.frombuffer(data, np.uint8) if ends[-1] else np.zeros(0, np.uint8), ends[:-1], np.diff(ends))
    pieces = [str(k).encode("utf-8", "surrogatepass") for k in found.tolist()]
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    starts = np.cumsum(lengths) - lengths
    return hash_bytes(np.frombuffer(b"".join(pieces), np.uint8), starts, lengths)


@cache
def _four_digits() -> np.ndarray:
    "Four decimal digits of each number below 10,000 as bytes, the first one lowest, shape (10000,), uint64."
    numbers, out = np.arange(10_000, dtype=np.uint64), np.zeros(10_000, np.uint64)
    for place in range(4):
        out |= (numbers // np.uint64(10 ** (3 - place)) % np.uint64(10) + np.uint64(48)) << np.uint64(8 * place)
    return out


def _number_hashes(numbers: np.ndarray) -> np.ndarray:
    "The same as the hashes of their decimal digits, without making strings: eight digits at a time, numbers of one length together."
    fast = compiled(len(numbers))
    if fast is not None:
        return np.asarray(fast.number_hashes(numbers, _four_digits()))
    most = len(str(int(numbers.max()))) if len(numbers) else 1
    lengths = np.ones(len(numbers), np.int8)
    for digits in range(1, most):
        lengths += numbers >= np.uint64(10**digits)
    out = np.empty(len(numbers), np.uint64)
    for length in range(1, most + 1):
        here = lengths == length
        if here.all():
            return _hashes_of_length(numbers, length)
        if here.any():
            out[here] = _hashes_of_length(numbers[here], length)
    return out


def _hashes_of_length(numbers: np.ndarray, length: int) -> np.ndarray:
    out = np.full(len(numbers), GOLDEN)
    for first in range(0, length, 8):
        size = min(8, length - first)
        part = numbers if length <= 8 else numbers // np.uint64(10 ** (length - first - size)) % np.uint64(10**size)
        out = mix(out ^ _digits_of(part, size))
    return mix(out + np.uint64(length))


def _digits_of(numbers: np.ndarray, size: int) -> np.ndarray:
    "The decimal digits of numbers that have so many, at most eight, as bytes."
    four = _four_digits()
    if size <= 4:
        return four[numbers] >> np.uint64(8 * (4 - size))
    high = numbers // np.uint64(10_000)
    low = numbers - high * np.uint64(10_000)
    return four[high] >> np.uint64(8 * (8 - size)) | four[low] << np.uint64(8 * (size - 4))


def row_hashes(
    keys: np.ndarray,  # uint64 hash of each row's key
    *,
    seed: int,
    stream: np.uint64,  # scenario without its severity, and its stage
) -> np.ndarray:
    "One uint64 a row, from everything but column and unit."
    start = np.uint64((int(stream) + (int(seed) * 0xD1B54A32D192ED03)) & _WORD)
    return mix(keys ^ mix(np.array([start], np.uint64))[0])


class Keyed:
    "The hashes of some units, made when they are asked for: all of them, some, or only the lowest."

    def __init__(
        self,
        rows: np.ndarray,  # uint64 a row: mixed from key, seed and stream
        column: np.uint64,  # hash of the column's name
        opens: np.ndarray | None = None,  # first unit of each row, and their number last; None: one unit a row
        among: np.ndarray | None = None,  # some of the units: bool over all of them, or positions; None: all
    ) -> None:
        self._of = rows, column, opens, among

    @classmethod
    def known(cls, hashes: np.ndarray) -> "Keyed":
        "Hashes that were made elsewhere."
        made = cls(hashes, np.uint64(0))
        made.__dict__["hashes"] = hashes
        return made

    @cached_property
    def _size(self) -> int:
        rows, _, opens, among = self._of
        if among is not None:
            return int(np.count_nonzero(among)) if among.dtype == bool else len(among)
        return len(rows) if opens is None else int(opens[-1])

    def __len__(self) -> int:
        return self._size

    @cached_property
    def hashes(self) -> np.ndarray:
        "uint64, one a unit."
        return unit_hashes(*self._of)

    def some(
        self,
        at: np.ndarray,  # positions, or bool
    ) -> "Keyed":
        "Those of some units."
        if "hashes" in self.__dict__:
            return Keyed.known(self.hashes[at])
        rows, column, opens, among = self._of
        if among is None:
            return Keyed(rows, column, opens, at)
        at = np.flatnonzero(at) if at.dtype == bool else at
        return Keyed(rows, column, opens, (np.flatnonzero(among) if among.dtype == bool else among)[at])

    def lowest(
        self,
        k: int,  # 1 ≤ k ≤ number of units
    ) -> tuple[np.uint64, np.ndarray]:
        "The k-th smallest hash, and which units have none that is larger, bool."
        found = None if "hashes" in self.__dict__ else lowest(*self._of, len(self), k)
        if found is None:
            edge = np.uint64(kth_smallest(self.hashes, k))
            found = edge, self.hashes <= edge
        return found


class Draws:
    "Random numbers for some units: each named stream is independent of the others and of the order of asking."

    def __init__(
        self,
        hashes: np.ndarray | Keyed,  # uint64, one a unit
        which: np.ndarray | None = None,  # the units among them, bool; None: all
    ) -> None:
        self._all, self._which = hashes, which

    @cached_property
    def hashes(self) -> np.ndarray:
        if isinstance(self._all, Keyed):
            which = self._which
            return (
                self._all if which is None else self._all.some(np.flatnonzero(which) if which.dtype == bool else which)
            ).hashes
        return self._all if self._which is None else self._all[self._which]

    def __len__(self) -> int:
        return len(self.hashes)

    def __getitem__(self, which: np.ndarray) -> "Draws":
        return Draws(self.hashes[which])

    def bits(self, stream: str = "") -> np.ndarray:
        "64 random bits a unit, shape (n,)."
        return mix(self.hashes ^ self.salt(stream))

    @staticmethod
    def salt(stream: str) -> np.uint64:
        "What tells a stream from the others."
        return name_hash("draw", stream)

    def uniform(self, stream: str = "") -> np.ndarray:
        "Uniform in the open interval (0, 1), 52 bits, shape (n,)."
        fast = compiled(len(self))
        if fast is not None:
            return np.asarray(fast.uniform(self.hashes, self.salt(stream)))
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


def waiting_times(
    hashes: np.ndarray,  # uint64, shape (n,)
    weights: np.ndarray,  # positive, shape (n,)
) -> np.ndarray:
    "−ln(u)/w of uniform numbers u: the k smallest are a weighted choice without replacement, shape (n,), positive."
    fast = compiled(len(hashes))
    if fast is not None:
        return np.asarray(fast.waiting_times(hashes, weights))
    out = np.empty(len(hashes))
    for at in range(0, len(out), _BLOCK):  # what stays in the processor's cache
        u = out[at : at + _BLOCK]
        u[:] = hashes[at : at + _BLOCK] >> np.uint64(12)
        u += 0.5
        u *= 2.0**-52
        np.log(u, out=u)
        np.divide(u, weights[at : at + _BLOCK], out=u)
        np.negative(u, out=u)
    return out


__all__ = ["GOLDEN", "Draws", "Keyed", "key_hashes", "name_hash", "row_hashes", "unit_hashes", "unit_interval", "waiting_times"]
