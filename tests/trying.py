"""How any kind of scenario is tried on any frame: frames drawn by hypothesis, kinds that have learnt, and what is compared."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import Phase, settings
from hypothesis import strategies as st
from mixed import CITIES, CLASSES, KINDS, ROLES, TEXTS, made, mixed, promise, sure

from pilot_to_prod.scenarios import Corruption, Fitted, SchemaLedger

quick = settings(deadline=None, max_examples=5, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
# for each kind; examples are small as drawn

REFERENCE, POOL = mixed(), mixed(72)
WIDE = ("row", "column", "schema")  # units that need several columns
OTHERS: dict[
    str, list[dict[str, Any]]
] = {  # values of parameters that no suite replays and that take another way through a kind
    "annotator_labels": [{"by": "agent"}],
    "block_missing": [{"width": 3}],
    "broken_surrogates": [{"left": "cesu8"}],
    "clock_skew": [{"offset": "-1D"}],
    "concept_shift": [{"by": "city"}, {"by": "text"}, {"by": "day"}],
    "covariate_shift": [{"by": "day"}, {"by": "city"}],
    "currency_text": [{"sign": True, "locale": "en"}],
    "date_formats": [{"style": "full", "locale": "fr"}],
    "escape_sequences": [{"style": "percent"}, {"style": "quoted_printable"}],
    "full_width": [{"to": "half"}],
    "homoglyphs": [{"digits": True}],
    "letter_case": [{"style": "swapped"}],
    "mar": [{"by": "city"}],
    "mnar": [{"strength": -4.0}],
    "mojibake": [{"times": 2}],
    "negation": [{"how": "insert"}, {"how": "remove"}],
    "numbers_as_text": [{"form": "trailing_minus"}],
    "renamed_column": [{"style": "prefix"}],
    "rounding": [{"step": 0.25}],
    "saturation": [{"lower": None}],
    "script_mix": [{"into": "Grek"}],
    "seasonal_shift": [{"part": "hour"}],
    "sentinel_nulls": [{"sentinel": -1}],
    "stale_labels": [{"by": "whole"}],
    "subpopulation_shift": [{"by": "market"}],
    "transliteration": [{"into": "native"}, {"scheme": "standard"}],
    "truncation": [{"by": "chars"}],
    "two_digit_years": [{"pivot": 20}],
    "unicode_form": [{"form": f} for f in ("NFC", "NFKC", "NFKD")],
    "wrong_type": [{"form": "about"}],
}
ODD = [
    "a",
    " ",
    "\x00",
    "👩‍👩‍👧 ok",
    "e\u0301te\u0301",
    "שלום world",
    "مرحبا",
    "a\x00b c",
    "the 1,200.50",
    "É",
    "ΑΣ",
    "ß",
    "İ ı",
]
any_text = st.one_of(
    st.none(),
    st.sampled_from(["", *ODD, *(t for _, t in TEXTS)]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
)
VALUES = {  # what may stand in a column, whatever stood in the reference
    "text": any_text,
    "note": st.one_of(any_text, st.just(float("nan"))),
    "whole": st.integers(-(10**6), 10**6),
    "count": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
    "part": st.floats(-1e9, 1e9) | st.sampled_from([np.nan, np.inf, -0.0, 5e-324]),
    "price": st.floats(0, 1e6),
    "flag": st.booleans(),
    "sort": st.sampled_from(["a", "b", None]),
    "city": st.sampled_from([*CITIES, "", "x y", "elsewhere"]),
    "name": st.one_of(st.sampled_from([None, "A, B", "A B C", ""]), st.integers(0, 3)),
    "code": st.sampled_from([None, "P-001", "P-999", "Q7"]),
    "day": st.one_of(st.none(), st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2030-01-01"))),
    "stamp": st.sampled_from([None, "", "2024-02-29", "2023-12-31T23:59:59Z", "soon"]),
    "language": st.sampled_from(["en", "de", "xx", None, "EN-us"]),
    "market": st.sampled_from(["CH", None, "XX"]),
    "topic": st.sampled_from([*CLASSES, None, "other"]),
}
Params = tuple[tuple[str, Any], ...]
_fitted: dict[Any, Fitted] = {}


def learnt(name: str, columns: tuple[str, ...], params: Params = ()) -> Fitted:
    "A scenario of a kind that has learnt the reference, made once; severities are given where it is used."
    if KINDS[name].unit in ("event", "label"):
        columns = ()
    if "dependency" in dict(params):
        columns = ("price", "part")  # what it delivers
    if (key := (name, columns, params)) not in _fitted:
        _fitted[key] = made(name, *columns, **dict(params)).fit(REFERENCE, promise())
    return _fitted[key]


def forms(name: str) -> list[Params]:
    "The parameters that a kind is tried with: its defaults, those of suites, and those that take another way."
    found = KINDS[name].variants(promise()) if KINDS[name].variants else []
    all_ = [{}, *(found if isinstance(found, list) else []), *OTHERS.get(name, [])]
    return list(dict.fromkeys(tuple(sorted(p.items())) for p in all_ if not any(isinstance(v, list) for v in p.values())))


def groups(name: str) -> list[tuple[str, ...]]:
    "Columns that a kind is tried on, a few at a time, so that each that it is made for has its turn."
    fitting = [c for c, r in ROLES.items() if r in KINDS[name].roles]
    size = 5 if KINDS[name].unit in WIDE else 2
    return [tuple(fitting[i : i + size]) for i in range(0, len(fitting), size)] or [()]


@st.composite
def cases(draw: Any, name: str, least: int = 0) -> tuple[tuple[str, ...], Params, pd.DataFrame]:
    "Columns and parameters of a kind, and a few rows: some of the mixed table, some with anything in them."
    columns, params = draw(st.sampled_from(groups(name))), draw(st.sampled_from(forms(name)))
    rows = draw(st.lists(st.integers(0, len(POOL) - 1), min_size=least, max_size=6, unique=True))
    frame = POOL.iloc[rows].reset_index(drop=True)
    for c in draw(st.lists(st.sampled_from([*columns, *VALUES]), max_size=3, unique=True)):
        values = draw(st.lists(VALUES[c], min_size=len(rows), max_size=len(rows)))
        frame[c] = pd.Series(values, dtype=POOL[c].dtype)
    return columns, params, frame


def corrupt(fitted: Fitted, frame: pd.DataFrame, seed: int = 0, severity: float = 0.5) -> Corruption:
    return fitted.corrupt(frame, seed=seed, severity=severity, confidence=sure(frame))


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    "The same values in columns of the same names, order and types."
    return a.equals(b) and list(a.dtypes) == list(b.dtypes) and list(a.columns) == list(b.columns)


def moved(a: pd.DataFrame, b: pd.DataFrame) -> np.ndarray:
    "Rows of two frames of the same shape that hold another value somewhere, whatever the types."
    out = np.zeros(len(a), bool)
    for c in a:
        if not a[c].equals(b[c]):
            old, new = a[c].astype(object), b[c].astype(object)
            out |= ~((old == new) | (old.isna() & new.isna())).to_numpy(bool)
    return out


def told(value: Any) -> str:
    "A cell in words; what is missing is missing, whatever the type."
    return "nothing" if pd.isna(value) else repr(value)


def differs(old: Any, new: Any) -> bool:
    "Whether a cell holds another value now."
    gone = pd.isna(old), pd.isna(new)
    return gone[0] != gone[1] or not (all(gone) or (type(old) is type(new) and old == new))


def entries(hit: Corruption) -> set[tuple[Any, ...]]:
    "The record of columns: stage, column, key, start, old, new."
    found = [(i, e) for i, stage in enumerate(hit.ledger.stages) for e in stage]
    return {(i, e.column, *x) for i, e in found for x in zip(e.keys, e.start, map(told, e.old), map(told, e.new), strict=True)}


def struck(hit: Corruption, frame: pd.DataFrame) -> set[Any]:
    "What was hit and what it became, whatever the severity and whatever stood beside it."
    if hit.source is not None:
        rows = np.array([repr(list(map(told, row))) for row in hit.frame.astype(object).to_numpy()], dtype=object)
        became = [tuple(sorted(rows[hit.source == i])) for i in np.flatnonzero(hit.hit)]
        return set(zip(frame["id"].to_numpy()[hit.hit], became, strict=True))
    found = [e for stage in hit.ledger.stages for e in stage]
    if any(isinstance(e, SchemaLedger) for e in found):
        return {n for e in found for n in e.names}
    return entries(hit)
