"""Write the rows of the meters pilot: monthly readings, and whether a technician found the meter at fault. Run: python make_data.py

No household is behind any of them. How a row comes about:

1. A meter has a type and a year; old and electronic ones are at fault more often: 38% of the readings that reach the pilot are.
2. A household has a usual use. The forecast service and the monthly instalment are two guesses of it, each off by about 18%.
3. What the meter counts is the usual use, off by 8%; a meter at fault also counts too little (half of them) or too much (three in ten).
4. A meter at fault has a lower battery, a weaker signal, a lower voltage, less load at night, other error codes, and is read by hand
   more often. Given the fault, these are independent: that is the simplification of this data.
5. The age of the customer and the market decide nothing. The technician is wrong in 1% of the visits.
"""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ROWS = {
    "reference": (6000, 1),
    "replay": (6000, 3),
}  # rows and seed; the promise was written on rows of seed 2, and these drawn after it
MARKETS = ("north", "south", "west")
TYPES = ("electromechanical", "electronic", "smart")
CHANNELS = ("remote", "web app", "phone call", "post card")
ERRORS = ("none", "counter overrun", "memory fault", "magnetic field", "clock drift")
CHANNEL_ODDS = {False: (0.60, 0.27, 0.08, 0.05), True: (0.08, 0.17, 0.35, 0.40)}
ERROR_ODDS = {False: (0.84, 0.06, 0.04, 0.02, 0.04), True: (0.20, 0.15, 0.27, 0.28, 0.10)}


def _pick(
    rng: np.random.Generator, names: tuple[str, ...], odds: dict[bool, tuple[float, ...]], fault: np.ndarray
) -> np.ndarray:
    "One of the names a row, by the odds of meters at fault and of the others."
    u = rng.random(len(fault))[:, None]
    edges = np.where(fault[:, None], np.cumsum(odds[True]), np.cumsum(odds[False]))
    return np.array(names, object)[np.minimum((u >= edges).sum(axis=1), len(names) - 1)]


def _either(rng: np.random.Generator, fault: np.ndarray, fine: tuple[float, float], bad: tuple[float, float]) -> np.ndarray:
    "A normal figure, cut at three standard deviations, with (mean, deviation) of meters that are fine and of those at fault."
    z = np.clip(rng.standard_normal(len(fault)), -3, 3)
    return np.where(fault, bad[0] + bad[1] * z, fine[0] + fine[1] * z)


def readings(n: int, seed: int) -> pd.DataFrame:
    "n readings, a third from each market."
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, n, p=[0.3, 0.4, 0.3])
    year = np.array([1998, 2002, 2006])[kind] + rng.integers(0, 19, n)
    odds = -1.6 + 0.32 * (2013 - year) + np.array([-2.6, 2.0, 0.0])[kind]
    fault = rng.random(n) < 1 / (1 + np.exp(-np.clip(odds, -4, 4)))
    usual = 300 * np.exp(0.24 * np.clip(rng.standard_normal(n), -2.8, 2.8))
    near = [np.exp(s * np.clip(rng.standard_normal(n), -3, 3)) for s in (0.08, 0.18, 0.18)]
    way, size = rng.random(n), np.clip(0.55 + 0.15 * rng.standard_normal(n), 0.1, 0.85)
    off = np.exp(np.where(fault, np.select([way < 0.5, way < 0.8], [-size, size], 0.0), 0.0))
    rows = pd.DataFrame(
        {
            "id": [f"r{seed % 100:02d}{i:05d}" for i in range(n)],
            "market": np.array(MARKETS, object)[np.arange(n) % 3],
            "age_group": np.where(rng.random(n) < 0.45, "50 and over", "under 50"),
            "meter_type": np.array(TYPES, object)[kind],
            "channel": _pick(rng, CHANNELS, CHANNEL_ODDS, fault),
            "year_installed": year,
            "signal_dbm": _either(rng, fault, (-80, 6), (-92, 7)).round().astype(int),
            "battery_volts": _either(rng, fault, (3.45, 0.1), (3.30, 0.12)).round(3),
            "consumption_kwh": (usual * near[0] * off).round(1),
            "grid_volts": _either(rng, fault, (231.5, 1.6), (229.1, 2.0)).round(1),
            "expected_kwh": (usual * near[1]).round(1),
            "last_error": _pick(rng, ERRORS, ERROR_ODDS, fault),
            "instalment_eur": (0.32 * usual * near[2]).round(2),
            "night_load_w": (0.55 * usual * np.exp(_either(rng, fault, (0.0, 0.18), (-0.3, 0.22)))).round().astype(int),
        }
    )
    rows["outcome"] = np.where(fault ^ (rng.random(n) < 0.01), "visit", "fine")
    return rows


if __name__ == "__main__":
    for name, (n, seed) in ROWS.items():
        made = readings(n, seed)
        made.to_parquet(HERE / "data" / f"{name}.parquet", compression="zstd", compression_level=19, index=False)
        print(f"data/{name}.parquet: {n} rows, {(made['outcome'] == 'visit').mean():.1%} at fault")
