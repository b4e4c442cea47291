"""The meters pilot: does a meter need a visit? It reads what is sloppy, answers with gaps, and hands over what cannot be true.

`train` makes it, `python model.py` writes model.skops and pins its hash below, and `pilot` is what pilot.yaml loads.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
PINNED = "6c71c422d4ab4037e90ba3bedb409f005101541f5918db0821f3bd7d22131ea3"  # SHA-256 of model.skops

NUMBERS = (
    "year_installed",
    "signal_dbm",
    "battery_volts",
    "consumption_kwh",
    "grid_volts",
    "expected_kwh",
    "instalment_eur",
    "night_load_w",
)
CATEGORIES = {
    "meter_type": ("electromechanical", "electronic", "smart"),
    "channel": ("remote", "web app", "phone call", "post card"),
    "last_error": ("none", "counter overrun", "memory fault", "magnetic field", "clock drift"),
}
INPUTS = (*CATEGORIES, *NUMBERS)
SAME = {"consumption_kwh": 1.0, "expected_kwh": 1.0, "instalment_eur": 0.32, "night_load_w": 0.55}  # each ÷ this: kWh a month
PAIRS = tuple(combinations(SAME, 2))
NOTHING = {"", "n/a", "na", "nan", "null", "nil", "-", "?", "unknown", "<na>"}
CODES = {-999.0, -9999.0, -99.0, 999.0, 9999.0, 99999.0}  # old systems' words for nothing
WRONG = "wrong"  # what stands in a field where it cannot belong


# -- fields as people and systems write them


@lru_cache(maxsize=65536)
def _plain(text: str) -> str:
    "Small letters without marks, invisible characters or full-width forms; other signs outside ASCII become a wildcard."
    flat = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Cf", "Mn", "Cc"))
    return " ".join("".join(c if c.isascii() else "\0" for c in flat).casefold().replace("_", " ").split())


def _fits(pattern: str, name: str) -> bool:
    "Whether a text can be this name: a wildcard for any one sign, words in any order, the end cut off after six signs."
    if len(pattern) > len(name) or (len(pattern) < len(name) and len(pattern) < 6):
        return False
    return all(p in ("\0", "?", n) for p, n in zip(pattern, name, strict=False))


@lru_cache(maxsize=65536)
def _category(column: str, text: str) -> str | None:
    "The known value that a text means; None for one that nobody knows; WRONG where it belongs to another field."
    plain = _plain(text)
    if plain in NOTHING and not (column == "last_error" and plain == "none"):
        return None
    words = plain.replace(",", " ").split()
    turned = {plain, " ".join(words), " ".join([*words[1:], *words[:1]]), " ".join([*words[-1:], *words[:-1]])}
    found = [n for n in CATEGORIES[column] if any(_fits(t, n) for t in turned)]
    exact = [n for n in found if n in turned]
    if exact or len(found) == 1:
        return (exact or found)[0]
    others = {n for c, names in CATEGORIES.items() if c != column for n in names}
    return WRONG if plain in others or re.fullmatch(r"-?[\d.,]+", plain) else None


_NUMBER = re.compile(r"[-−]?\d[\d.,’' \u00a0\u202f]*")
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {w: i for i, w in enumerate(_ONES.split())}
_WORDS |= {w: 10 * i for i, w in enumerate(_TENS.split(), 2)}


def _in_words(text: str) -> float:
    "A whole number in English words; nan for anything else."
    words = text.replace("-", " ").replace(" and ", " ").split()
    sign = -1 if words[:1] == ["minus"] else 1
    total = part = 0
    for w in words[sign < 0 :]:
        if w in _WORDS:
            part += _WORDS[w]
        elif w == "hundred":
            part *= 100
        elif w == "thousand":
            total, part = total + part * 1000, 0
        else:
            return np.nan
    return float(sign * (total + part)) if words[sign < 0 :] else np.nan


_POINT, _COMMA = (re.compile(rf"-?(\d+|\d{{1,3}}({t}\d{{3}})+)({d}\d+)?") for d, t in (("\\.", ","), (",", "\\.")))


def _spelt(digits: str) -> set[float]:
    "What a written number may mean: the comma or the point may be the decimal sign, or part thousands."
    digits = re.sub(r"[’' \u00a0\u202f]", "", digits.replace("−", "-")).rstrip(".,")
    found = set()
    if _POINT.fullmatch(digits):
        found.add(float(digits.replace(",", "")))
    if _COMMA.fullmatch(digits):
        found.add(float(digits.replace(".", "").replace(",", ".")))
    return found


@lru_cache(maxsize=65536)
def _number(text: str, low: float, high: float) -> float:
    "The number that a text means, by what is usual in its column; nan for nothing; inf for what cannot belong there."
    plain = unicodedata.normalize("NFKC", text).strip().casefold()
    if plain in NOTHING:
        return np.nan
    if found := _NUMBER.search(plain):
        told = _spelt(found.group())
        usual = [v for v in told if low <= v <= high]
        return usual[0] if len(usual) == 1 else next((v for v in told if v in CODES), max(told, key=abs, default=np.nan))
    known = {n for names in CATEGORIES.values() for n in names}
    return np.inf if _plain(text) in known else _in_words(plain)


class Meters:
    "Reads a frame of readings, and answers visit, fine, or nothing where a person has to look."

    classes_ = np.array(["fine", "visit"])

    def __init__(
        self,
        pipeline: Pipeline,  # of features to probabilities
        low: np.ndarray,  # least of each number, then of the log of each ratio in PAIRS
        high: np.ndarray,
    ) -> None:
        self.pipeline, self.low, self.high = pipeline, low, high

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        "visit or fine; None where a value cannot be true, or stands in the wrong field."
        x, wrong = self._features(rows)
        said = self.classes_[(self._sure(x)[:, 1] >= 0.5).astype(int)].astype(object)
        said[wrong] = None
        return said

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        "Probabilities of fine and visit; even odds where a person has to look."
        x, wrong = self._features(rows)
        sure = self._sure(x)
        sure[wrong] = 0.5
        return sure

    def _sure(self, x: np.ndarray) -> np.ndarray:
        "What pipeline.predict_proba says, in a tenth of the time for a single row."
        scaler, imputer, last = (step for _, step in self.pipeline.steps)
        scaled = (x - scaler.mean_) / scaler.scale_
        gaps = np.isnan(scaled)
        seen = np.hstack([np.where(gaps, 0.0, scaled), gaps[:, imputer.indicator_.features_]])
        visit = 1 / (1 + np.exp(-(seen @ last.coef_[0] + last.intercept_[0])))
        return np.column_stack([1 - visit, visit])

    def _features(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        names, wrong = _categories(rows)
        numbers, odd = _numbers(rows, self.low, self.high)
        return _measured(names, numbers), wrong | odd


def _categories(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    "One column a known value, 0 or 1, nan where it is unknown, shape (rows, 12); and which rows hold what belongs elsewhere."
    parts, wrong = [], np.zeros(len(rows), bool)
    for column, known in CATEGORIES.items():
        values = rows[column].astype(object).to_numpy()
        said = [None if v is None or v != v else _category(column, str(v)) if v is not pd.NA else None for v in values]
        code = np.array([known.index(s) if s in known else -1 for s in said], int)
        wrong |= np.array([s == WRONG for s in said], bool)
        hot = (code[:, None] == np.arange(len(known))).astype(float)
        hot[code < 0] = np.nan
        parts.append(hot)
    return np.hstack(parts), wrong


def _read(values: pd.Series, low: float, high: float) -> np.ndarray:
    "A column as floats: nan for nothing, inf for what cannot belong there."
    if values.dtype.kind in "iuf" and isinstance(values.dtype, np.dtype):
        return values.to_numpy(float)
    out = np.full(len(values), np.nan)
    for i, v in enumerate(values.astype(object)):
        if isinstance(v, str):
            out[i] = _number(v, low, high)
        elif v is not None and v is not pd.NA and not isinstance(v, bool):
            out[i] = float(v)
    return out


def _numbers(rows: pd.DataFrame, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    "Numbers, nan where missing or impossible, shape (rows, 8); and which rows hold one that cannot be true."
    found = np.column_stack([_read(rows[c], low[i], high[i]) for i, c in enumerate(NUMBERS)])
    k = len(NUMBERS)
    found[np.isin(found, list(CODES)) & ~((found >= low[:k]) & (found <= high[:k]))] = np.nan
    with np.errstate(invalid="ignore"):
        odd = (found < low[:k]) | (found > high[:k])
        found[odd] = np.nan
        ratios = _ratios(found)
        apart = (ratios < low[k:]) | (ratios > high[k:])
    return found, odd.any(axis=1) | apart.any(axis=1)


def _ratios(numbers: np.ndarray) -> np.ndarray:
    "Log ratios of the figures that speak of the same use, shape (rows, 6)."
    with np.errstate(invalid="ignore", divide="ignore"):
        use = {c: np.log(numbers[:, NUMBERS.index(c)] / by) for c, by in SAME.items()}
    return np.column_stack([use[a] - use[b] for a, b in PAIRS])


def _measured(names: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    "What the classifier sees, shape (rows, features)."
    with np.errstate(invalid="ignore", divide="ignore"):
        use = np.column_stack([np.log(numbers[:, NUMBERS.index(c)] / by) for c, by in SAME.items()])
    counted, guesses, night = use[:, :1], use[:, 1:3], use[:, 3:]
    there = ~np.isnan(guesses)
    n = there.sum(axis=1, keepdims=True)
    usual = np.where(n > 0, np.where(there, guesses, 0.0).sum(axis=1, keepdims=True) / np.maximum(n, 1), np.nan)
    off = counted - usual
    off_one, off_both = np.where(n == 1, off, np.nan), np.where(n == 2, off, np.nan)
    late = night - usual
    apart = np.where(n == 0, night - counted, np.nan)
    bends = [np.hstack([v, np.abs(v), np.minimum(v * v, 1.0)]) for v in (off_one, off_both, apart)]
    return np.hstack([names, numbers[:, :3], numbers[:, 4:5], late, *bends])


def train(
    rows: pd.DataFrame,  # like the reference rows
    penalty: float = 1.0,  # C of the logistic regression, as study.py found
    gaps: tuple[float, ...] = (0.15, 0.4),  # shares of fields that are emptied in further copies of the rows
) -> Meters:
    "A logistic regression that has seen each row whole and with gaps, and the ranges of what it has seen."
    kept = rows[rows["outcome"].notna()]
    none = np.full(len(NUMBERS) + len(PAIRS), np.inf)
    numbers, names = _numbers(kept, -none, none)[0], _categories(kept)[0]
    seen = np.hstack([numbers, _ratios(numbers)])
    low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
    room = 0.05 * (high - low)
    gappy = [(numbers, names)]
    rng = np.random.default_rng(0)
    for share in gaps:
        some, few = numbers.copy(), names.copy()
        some[rng.random(some.shape) < share] = np.nan
        for at in np.split(np.arange(names.shape[1]), np.cumsum([len(v) for v in CATEGORIES.values()])[:-1]):
            few[np.ix_(rng.random(len(few)) < share, at)] = np.nan
        gappy.append((some, few))
    x = np.vstack([_measured(b, a) for a, b in gappy])
    pipeline = make_pipeline(
        StandardScaler(),
        SimpleImputer(strategy="constant", fill_value=0.0, add_indicator=True, keep_empty_features=True),
        LogisticRegression(C=penalty, max_iter=1000),
    )
    pipeline.fit(x, np.tile(kept["outcome"].astype(object).to_numpy(), len(gappy)))
    return Meters(pipeline, low - room, high + room)


def _load() -> Any:
    "The trained model, where model.skops is the file that was pinned."
    from skops.io import get_untrusted_types, load

    path = HERE / "model.skops"
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != PINNED:
        raise ValueError(f"{path}: its SHA-256 is {got}, pinned is {PINNED}. Train again: python model.py")
    found = get_untrusted_types(file=path)
    if foreign := [t for t in found if not t.startswith(("sklearn.", "numpy."))]:
        raise ValueError(f"{path}: holds {', '.join(foreign)}, which nobody vouches for.")
    held = load(path, trusted=found)
    return Meters(held["pipeline"], held["low"], held["high"])


def _write() -> None:
    "Train, write model.skops, and pin its hash in this file."
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    made, path = train(pd.read_parquet(HERE / "data" / "reference.parquet")), HERE / "model.skops"
    held = {"pipeline": made.pipeline, "low": made.low, "high": made.high}
    dump(held, path, compression=ZIP_DEFLATED, compresslevel=9)
    source, new = Path(__file__).read_text(encoding="utf-8"), hashlib.sha256(path.read_bytes()).hexdigest()
    line = f'PINNED = "{new}"'
    source = re.sub(r"^PINNED = .*?(?=  #)", line, source, count=1, flags=re.MULTILINE)
    Path(__file__).write_text(source, encoding="utf-8")
    print(f"model.skops: {path.stat().st_size} bytes, {new}")


if __name__ == "__main__":
    _write()
else:
    pilot = _load()
