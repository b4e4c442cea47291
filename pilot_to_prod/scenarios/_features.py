"""A cheap picture of rows, for scenarios that must know which rows, values or classes are alike.

It is learnt from reference rows: ranks of columns, and nearest class centroids. Everything is row-local to the last bit:
the features are a sparse matrix, whose product with the centroids is summed row by row, so that no batch changes a number.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._draws import Draws
from pilot_to_prod.scenarios._engine import Place
from pilot_to_prod.scenarios._text import _SOLO_RANGES
from pilot_to_prod.spec import INPUT_ROLES, canonical, guess_roles, near

BLOCK = 8192  # rows compared with all classes at a time
TERMS = 20_000  # the most frequent terms of a text column that are looked at
_SOLO = "".join(f"{chr(low)}-{chr(high)}" for low, high in _SOLO_RANGES)
TOKEN = rf"[{_SOLO}]|[^\W{_SOLO}]+"  # a word; a single character in scripts written without spaces
_MOMENT = r"^\s*(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)"


def spelt(series: pd.Series) -> np.ndarray:
    "Values as canonical strings, None where they are missing, shape (rows,), object."
    if series.dtype == object:
        return np.array([None if gone else canonical(v) for v, gone in zip(series, series.isna(), strict=True)], dtype=object)
    codes, distinct = pd.factorize(series)
    return np.array([*map(canonical, distinct), None], dtype=object)[codes]


def moments(series: pd.Series) -> pd.Series:
    "Wall-clock time as written, NaT where there is no ISO 8601 date. Numbers are no dates."
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series.dt.tz_localize(None).astype("datetime64[us]")
    if pd.api.types.is_numeric_dtype(series.dtype):
        return pd.Series(pd.NaT, index=series.index, dtype="datetime64[us]")
    texts = series.astype(object).map(str, na_action="ignore").astype(object)
    found = [m.group(1) if isinstance(v, str) and (m := re.match(_MOMENT, v)) else None for v in texts]
    when = pd.to_datetime(np.array(found, dtype=object), errors="coerce", format="ISO8601")
    return pd.Series(when, index=series.index).astype("datetime64[us]")


def inputs_of(place: Place) -> dict[str, str]:
    "Column → role of what a model sees, in order; guessed from the frame where nothing is promised. Never the label."
    if place.spec is not None:
        roles = {c: place.spec.roles[c] for c in place.spec.inputs}
    else:
        roles = _guessed(place.frame)
    return {c: r for c, r in roles.items() if r in INPUT_ROLES and c in place.frame and c != place.label}


def role_of(place: Place, series: pd.Series) -> str:
    "The role of any column of the data, promised or guessed."
    name = str(series.name)
    if place.spec is not None and name in place.spec.roles:
        return place.spec.roles[name]
    return _guessed(series.to_frame())[name]


def _guessed(frame: pd.DataFrame) -> dict[str, str]:
    "Roles of a frame that nothing is promised of; a few sentences, which look like categories by their number, are texts."
    out = guess_roles(frame)
    for c in [c for c, r in out.items() if r == "category"]:
        kept = frame[c].dropna()
        if len(kept) and kept.nunique() > len(kept) / 2 and all(isinstance(v, str) for v in kept.astype(object)):
            out[c] = "text" if kept.astype(str).str.count(r"\S+").mean() >= 2 else "category"
    return out


@dataclass(frozen=True)
class Ranks:
    """Where a value stands among the reference values of its column, in [0, 1]; 0.5 for missing ones.

    Numbers and dates stand by size, texts by length, categories by rarity: the rarest, and those never seen, highest.
    """

    role: str
    known: np.ndarray  # sorted
    shares: dict[str, float]  # of categories

    @classmethod
    def learn(cls, series: pd.Series, role: str) -> "Ranks":
        shares: dict[str, float] = {}
        if _kind(series, role) == "category":
            counts = pd.Series([v for v in spelt(series) if v is not None], dtype=object).value_counts(normalize=True)
            shares = {str(v): float(n) for v, n in counts.items()}
        found = _numbers(series, role, shares)
        return cls(role, np.sort(found[~np.isnan(found)]), shares)

    def of(self, series: pd.Series) -> np.ndarray:
        "Rank of each value, the middle of its ties, shape (rows,)."
        v = _numbers(series, self.role, self.shares)
        low, high = (np.searchsorted(self.known, v, side=s) for s in ("left", "right"))
        return np.where(np.isnan(v), 0.5, (low + high) / (2 * max(len(self.known), 1)))


def _kind(series: pd.Series, role: str) -> str:
    "How a column is ordered: number, date, text or category."
    if role in ("number", "amount", "date"):
        return "date" if role == "date" else "number"
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return "date"
    return "text" if role == "text" else "category"


def _numbers(series: pd.Series, role: str, shares: dict[str, float]) -> np.ndarray:
    kind = _kind(series, role)
    if kind == "number":
        return pd.to_numeric(series, errors="coerce").to_numpy(float, na_value=np.nan)
    if kind == "date":
        when = moments(series)
        return np.where(when.isna(), np.nan, when.to_numpy("datetime64[s]").astype(np.int64).astype(float))
    if kind == "text":
        return np.array([len(v) if isinstance(v, str) else np.nan for v in series.astype(object)], float)
    codes, distinct = pd.factorize(spelt(series))
    return np.array([*(1 - shares.get(v, 0.0) for v in distinct), np.nan])[codes]


@dataclass(frozen=True)
class _Encoder:
    "One column as sparse features of about the same weight as any other column."

    column: str
    role: str
    learnt: Any  # TfidfVectorizer, value → position, or Ranks

    @classmethod
    def learn(cls, series: pd.Series, role: str) -> "tuple[_Encoder, Any] | None":
        "The encoder with the features of the column it learnt from; None where there is nothing to learn."
        kind = _kind(series, role)
        if kind == "text":
            from sklearn.feature_extraction.text import TfidfVectorizer

            words = TfidfVectorizer(token_pattern=TOKEN, sublinear_tf=True, max_features=TERMS)
            try:
                x = words.fit_transform(_texts(series))
            except ValueError:  # not one word in the column
                return None
            return cls(str(series.name), role, words), x
        if kind == "category":
            names = sorted({v for v in spelt(series) if v is not None})
            made = cls(str(series.name), role, {v: i for i, v in enumerate(names)})
            return (made, made.of(series)) if names else None
        ranks = Ranks.learn(series, role)
        made = cls(str(series.name), role, ranks)
        return (made, made.of(series)) if len(ranks.known) else None

    def of(self, series: pd.Series) -> Any:
        from scipy import sparse

        if isinstance(self.learnt, Ranks):  # uniform ranks have variance 1/12
            return sparse.csr_matrix(((self.learnt.of(series) - 0.5) * np.sqrt(12)).reshape(-1, 1))
        if not isinstance(self.learnt, dict):
            return self.learnt.transform(_texts(series))
        codes = np.array([self.learnt.get(v, -1) for v in spelt(series)], np.int64)
        rows = np.flatnonzero(codes >= 0)
        return sparse.csr_matrix((np.ones(len(rows)), (rows, codes[rows])), shape=(len(series), len(self.learnt)))


def labels_of(place: Place) -> np.ndarray:
    """The classes of the rows at hand as canonical strings, None where missing.

    The label is the column that the promise names, else the only column that the scenario was given; else ValueError."""
    label = place.label if place.label is not None else place.columns[0] if len(place.columns) == 1 else None
    if label is None or label not in place.frame:
        raise ValueError(
            "the label column is not known: fit with a pilot's spec, or name it as the only column of the scenario."
        )
    return spelt(place.frame[label])


def odds(
    strength: float,  # log odds between rank 1 and rank 0
    ranks: np.ndarray,  # in [0, 1]
) -> np.ndarray:  # positive and finite
    "Relative odds of being hit by rank."
    return np.exp(np.clip(strength * (ranks - 0.5), -300, 300))


def given_pairs(
    pairs: Mapping[str, Any],  # class → another class, or several
    classes: Sequence[str],
    name: str,  # of the parameter, for people
) -> dict[str, tuple[str, ...]]:
    "Pairs of classes written down by a person. Raises ValueError with everything that is wrong with them."
    out = {canonical(a): tuple(map(canonical, b if isinstance(b, list | tuple) else [b])) for a, b in pairs.items()}
    named = dict.fromkeys(v for a, b in out.items() for v in (a, *b))
    wrong = [f"no class {c!r}. {near(c, classes)}" for c in named if c not in classes]
    wrong += [f"{a!r} is paired with itself." for a, b in out.items() if a in b]
    wrong += [f"{a!r} is paired with nothing." for a, b in out.items() if not b]
    if not out:
        wrong.append('it is empty: write {"class": "other class"}, or leave it out to learn the pairs.')
    if wrong:
        raise ValueError(f"{name}: " + " ".join(wrong))
    return out


def partner_of(
    labels: pd.Series,
    draws: Draws,
    pairs: Mapping[str, Sequence[str]],  # every label → one class or several
) -> list[str]:
    "The class that each label is paired with; one of them, each as likely, where there are several."
    codes, distinct = pd.factorize(labels)
    counts = np.array([len(pairs[c]) for c in distinct], np.int64)
    flat = np.array([b for c in distinct for b in pairs[c]], dtype=object)
    return flat[(np.cumsum(counts) - counts)[codes] + draws.below(counts[codes], "partner")].tolist()


def _texts(series: pd.Series) -> list[str]:
    return [v if isinstance(v, str) else "" for v in series.astype(object)]


@dataclass(frozen=True)
class Nearness:
    "Nearest class centroids of the reference rows: which classes are alike, and which rows stand between two."

    classes: tuple[str, ...]  # those with a reference row
    encoders: tuple[_Encoder, ...]
    centres: np.ndarray  # shape (features, classes)
    others: np.ndarray  # position of every other class, the likeliest to be confused first, shape (classes, classes - 1)
    margins: np.ndarray  # of the reference rows, sorted

    @classmethod
    def learn(
        cls,
        place: Place,  # its frame: the reference rows
        labels: np.ndarray,  # their classes as canonical strings, None where missing
        skip: Sequence[str] = (),  # columns that say nothing about the class, such as who labelled
    ) -> "Nearness":  # raises ValueError where there is no column or no label to learn from
        roles = {c: r for c, r in inputs_of(place).items() if c not in skip}
        found = [f for c, r in roles.items() if (f := _Encoder.learn(place.frame[c], r)) is not None]
        encoders = tuple(e for e, _ in found)
        if not encoders:
            raise ValueError(
                f"no input column to learn from which classes are alike; the data has {', '.join(map(str, place.frame.columns))}. "
                "Name the pairs yourself, or declare input columns."
            )
        known = {v for v in labels if v is not None}
        order = [c for c in place.classes or () if c in known]
        classes = tuple(order + sorted(known - set(order)))
        if not classes:
            raise ValueError(f"no reference row has a label in {place.label!r}.")
        from scipy import sparse

        codes = pd.Index(classes).get_indexer(pd.Index(labels))
        rows = np.flatnonzero(codes >= 0)
        x = sparse.hstack([x for _, x in found], format="csr")
        share = 1 / np.bincount(codes[rows], minlength=len(classes))[codes[rows]]
        member = sparse.csr_matrix((share, (codes[rows], rows)), shape=(len(classes), len(codes)))
        centres = np.ascontiguousarray(np.asarray((member @ x).todense()).T)
        own = cls(classes, encoders, centres, np.zeros((len(classes), len(classes) - 1), np.int64), np.zeros(0))
        if len(classes) < 2:
            return own
        other, margin = own._compared(x[rows], codes[rows])
        return cls(classes, encoders, centres, own._ordered(codes[rows], other, margin), np.sort(margin))

    def _ordered(self, codes: np.ndarray, other: np.ndarray, margin: np.ndarray) -> np.ndarray:
        "For each class the others: first those it is mistaken for, then those that come second, then by distance."
        n = len(self.classes)
        mistaken, second = np.zeros((n, n)), np.zeros((n, n))
        np.add.at(mistaken, (codes, other), margin < 0)
        np.add.at(second, (codes, other), 1)
        close = 2 * self.centres.T @ self.centres - (self.centres**2).sum(axis=0)
        order = np.lexsort((-np.round(close, 9), -second, -mistaken), axis=1)
        return order[order != np.arange(n)[:, None]].reshape(n, n - 1)

    def _compared(self, x: Any, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        "The other class that each row is nearest to, and by how much its own is nearer; for codes of -1 any class is another."
        lengths = (self.centres**2).sum(axis=0)
        other, margin = np.zeros(len(codes), np.int64), np.full(len(codes), -np.inf)
        for at in range(0, len(codes), BLOCK):
            part = slice(at, at + BLOCK)
            scores = 2 * (x[part] @ self.centres) - lengths
            known = np.flatnonzero(codes[part] >= 0)
            own = scores[known, codes[part][known]]
            scores[known, codes[part][known]] = -np.inf
            other[part] = scores.argmax(axis=1)
            margin[at + known] = own - scores[known, other[part][known]]
        return other, margin

    def runner_up(
        self,
        frame: pd.DataFrame,
        labels: Sequence[Any] | np.ndarray | pd.Series,  # canonical classes of its rows
    ) -> tuple[np.ndarray, np.ndarray]:
        "The class that each row would be mistaken for, and how hard it is to tell the two apart, by rank, in [0, 1]."
        codes = pd.Index(self.classes).get_indexer(pd.Index(labels))
        other, margin = self._compared(_stacked(self.encoders, frame), codes)
        easier = np.searchsorted(self.margins, margin, side="right") / max(len(self.margins), 1)
        return np.array(self.classes, dtype=object)[other], 1 - easier

    def pairs(self) -> dict[str, tuple[str, ...]]:
        "Class → the class that it is most often confused with, alone in a tuple."
        if self.others.shape[1] == 0:
            return {}
        return {c: (self.classes[i],) for c, i in zip(self.classes, self.others[:, 0].tolist(), strict=True)}


def _stacked(encoders: Sequence[_Encoder], frame: pd.DataFrame) -> Any:
    from scipy import sparse

    return sparse.hstack([e.of(frame[e.column]) for e in encoders], format="csr")
