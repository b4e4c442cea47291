"""Train the credit pilot: good and bad risks of the German credit figures. Run: python train.py (a few seconds)."""

from pathlib import Path
from zipfile import ZIP_DEFLATED

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skops.io import dump

HERE = Path(__file__).parent
LABEL = "creditability"
COST = {"bad": 5, "good": 1}  # a bad risk that is accepted costs five times a good one that is refused


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    "600 rows to learn from, 400 to replay; 30% bad in both."
    return train_test_split(rows, train_size=600, stratify=rows[LABEL], random_state=0)


def train(rows: pd.DataFrame) -> Pipeline:
    "One-hot categories, scaled numbers, and a logistic regression whose class weights are the costs."
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        (StandardScaler(), make_column_selector(dtype_include="number")),
    )
    model = make_pipeline(columns, LogisticRegression(C=0.3, class_weight=COST, max_iter=1000))
    return model.fit(rows.drop(columns=[LABEL, "id"]), rows[LABEL])


if __name__ == "__main__":
    reference, replay = split(pd.read_csv(HERE / "data" / "germancredit.csv"))
    reference.sort_values("id").to_csv(HERE / "data" / "reference.csv", index=False)
    replay.sort_values("id").to_csv(HERE / "data" / "replay.csv", index=False)
    model = train(reference)
    guess = model.predict(replay.drop(columns=[LABEL, "id"]))
    caught = (guess[replay[LABEL] == "bad"] == "bad").mean()
    dump(model, HERE / "model.skops", compression=ZIP_DEFLATED, compresslevel=9)
    print(f"{len(reference)} rows, bad risks caught on {len(replay)} new rows {caught:.2f}: model.skops")
