"""What was tried before the model was chosen, on the reference rows alone: the table of docs/training.md. Run: python study.py"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from model import CATEGORIES, INPUTS, train
from sklearn.model_selection import StratifiedKFold

HERE = Path(__file__).parent
GAPS = {"no gaps": (), "15%": (0.15,), "15% and 40%": (0.15, 0.4)}
PENALTIES = (0.01, 0.1, 1.0, 10.0)


def gappy(rows: pd.DataFrame, share: float = 0.3) -> pd.DataFrame:
    "The same rows with a share of the fields empty."
    rng, out = np.random.default_rng(1), rows.copy()
    for c in INPUTS:
        out[c] = out[c].astype(object).mask(rng.random(len(out)) < share)
    return out


def by_hand(rows: pd.DataFrame) -> np.ndarray:
    "The desk's rule: an error code, or a count that is a third off the forecast."
    off = np.abs(np.log(rows["consumption_kwh"].astype(float) / rows["expected_kwh"].astype(float))) > 0.4
    code = rows["last_error"].isin([v for v in CATEGORIES["last_error"] if v != "none"])
    return np.where(off | code, "visit", "fine")


def main() -> None:
    "Five folds: right on whole rows, and with three fields in ten empty."
    rows = pd.read_parquet(HERE / "data" / "reference.parquet")
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(rows, rows["outcome"]))
    print("| penalty C | gaps in training | whole rows | three fields in ten empty |\n|---|---|---|---|")
    for c in PENALTIES:
        for name, shares in GAPS.items():
            found = []
            for learn, keep in folds:
                made, held = train(rows.iloc[learn], penalty=c, gaps=shares), rows.iloc[keep]
                truth = held["outcome"].to_numpy()
                found.append([(made.predict(r) == truth).mean() for r in (held, gappy(held))])
            whole, empty = np.mean(found, axis=0)
            print(f"| {c:g} | {name} | {whole:.4f} | {empty:.4f} |")
    truth = rows["outcome"].to_numpy()
    print(f"| rule by hand | | {(by_hand(rows) == truth).mean():.4f} | {(by_hand(gappy(rows)) == truth).mean():.4f} |")
    print(f"| always fine | | {(truth == 'fine').mean():.4f} | {(truth == 'fine').mean():.4f} |")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without gaps in training some indicators never occur, and scikit-learn says so
        main()
