"""One promise and one table in which every registered scenario finds something to do: languages, types, gaps and oddities, mixed."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios import FAMILIES, Scenario, kinds
from pilot_to_prod.spec import Spec

YAML = """
name: mixed
task: multiclass
model: {loader: module, ref: "somewhere:predict"}
data:
  reference: replay.csv
  replay: replay.csv
  id: id
  label: topic
  labels: [billing, delivery, refund, 7]
  time: seen
  terms: [Acme Prime]
  columns:
    id: id
    text: text
    note: text
    whole: number
    count: number
    part: number
    price: amount
    flag: category
    sort: category
    city: category
    name: category
    code: category
    day: date
    stamp: date
    seen: {role: date, input: false}
    language: language
    market: market
    agent: {role: category, input: false}
  parallel: {path: parallel.csv, languages: [de, fr], column: text}
languages: [en, de, el, ru]
slices: [city, {name: best, column: sort, equals: a}]
protected: [city]
dependencies:
  - {name: scoring, kind: technical, columns: [part, price]}
  - {name: lawyers, kind: human}
feed: {rate: 2, service_ms: 20}
"""
UNTOLD = YAML.replace("    language: language\n", "")  # the same, and nothing says in which language a row is written
TEXTS: list[tuple[str, str]] = [  # language, text
    ("en", "I paid $1,200.50 for two flights to Acme Prime and never received the refund."),
    ("en", 'Where is my parcel? It\'s not here, "as soon as possible" they said... I am angry'),
    ("en", "The 3 lamps came on 14 March 2026 at 3:30 pm, and their box of twenty-three bulbs was broken"),
    ("en", "My card doesn't work, please write to anna.b@example.com or see https://example.com/help?id=7"),
    ("de", "Meine Bestellung über 1.200,50 € ist nicht angekommen, ich warte seit 3 Tagen auf Größe 42."),
    ("ru", "Где моя посылка? Я жду уже 12 дней и не могу войти в свой аккаунт"),
    ("en", "hello world, this was definitely the best day of my life 👍🏽 👩‍👩‍👧"),
    ("de", "Die Rechnung vom 14.03.2026 ist falsch und das Paket kommt um 15:30 Uhr"),
    ("fr", "Où est ma commande ? Ce n'est pas normal, j'attends 1 200,50 € depuis le 14 mars 2026 à 15:30"),
    ("el", "Πού είναι το δέμα μου; Περιμένω 5 ημέρες"),
    ("es", "No puedo pagar con mi tarjeta, ¿por qué? Ayer pagué 1.234,56 € por dos zapatos"),
    ("pl", "Mój zwrot zaginął, a w Łodzi nikt nie odbiera telefonu od 3 dni"),
    ("ar", "أين طلبي رقم 123؟ لم يصل بعد"),
    ("hi", "मेरा पैसा वापस चाहिए, मैं 10 दिन से इंतज़ार कर रहा हूँ"),
    ("he", "שלום, החבילה שלי לא הגיעה עדיין my friend"),
    ("th", "ขอบคุณมาก ราคา 3.5 บาท แต่ของยังไม่มา"),
    ("ja", "荷物がまだ届きません。注文番号は42です"),
    ("zh", "我的包裹在哪里？我已经等了3天"),
    ("ko", "택배가 아직 안 왔어요 3일 기다렸어요"),
    ("tr", "İade param nerede? Işık hâlâ yanmıyor, 3 gündür bekliyorum"),
    ("en", "cafe\u0301 nai\u0308ve \ufb01ne ｆｕｌｌ déjà vu 𝟙𠀀 a\x00b \u202eback\u202c"),
    ("en", "x"),
    ("en", ""),
    ("en", "  \t "),
]
NOTES = [
    "I would like to cancel my order because the delivery is late",
    None,
    "she has got 15 shoes & it's 1,234.5 kg, “really” – good",
    "you're right, we don't know how much it was: 10,000.00 or 5.5",
    "",
    "please call me tomorrow about the account, thank you",
    "Ünïcödé naïve café",
]
CITIES = ["Zürich", "Łódź", "Berlin", "São Paulo", "東京", None, "Bad Homburg vor der Höhe"]
PEOPLE = ["Müller, Hans", "Anna-Maria de la Cruz", "O'Brien; Pat", "Nguyễn Văn An", None, "Li"]
CLASSES = ["billing", "delivery", "refund", "7"]
MORE: dict[str, dict[str, object]] = {"translated": {"translator": "mixed:shout"}}  # without these a kind cannot run
ROLES = {  # columns that scenarios may be tried on, those with something for most kinds first
    "text": "text",
    "note": "text",
    "whole": "number",
    "part": "number",
    "price": "amount",
    "city": "category",
    "day": "date",
    "sort": "category",
    "count": "number",
    "stamp": "date",
    "name": "category",
    "flag": "category",
    "code": "category",
}


def shout(texts: list[str], language: str) -> list[str]:
    "A translator that everybody understands."
    return [t.upper() + "!" for t in texts]


def mixed(rows: int = 48) -> pd.DataFrame:
    "Rows with columns of every role and type, and a gap in each that can have one."
    i = np.arange(rows)
    said = [TEXTS[k % len(TEXTS)] for k in range(rows)]
    days = [f"20{k % 30:02d}-0{k % 9 + 1}-{k % 27 + 1:02d}T10:20:00" for k in range(rows)]
    frame = pd.DataFrame(
        {
            "id": pd.Series([f"r{k}" for k in range(rows)], dtype="str"),
            "text": pd.Series([f"{t} {'abcdefgh'[k % 8]}" if k % 5 == 1 else t for k, (_, t) in enumerate(said)], dtype="str"),
            "note": pd.Series([NOTES[k % len(NOTES)] for k in range(rows)], dtype=object),
            "whole": i * 137 % 4000 + 1,
            "count": pd.array([None if k % 10 == 6 else k * 7 % 23 for k in range(rows)], dtype="Int64"),
            "part": np.where(i % 11 == 5, np.nan, i * 0.753 - 3.1),
            "price": i * 1099.517 + 0.25,
            "flag": i % 3 == 0,
            "sort": pd.Categorical([None if k % 9 == 4 else "abc"[k * k % 3] for k in range(rows)], categories=list("abc")),
            "city": pd.Series([CITIES[k % len(CITIES)] for k in range(rows)], dtype="str"),
            "name": pd.Series([PEOPLE[k % len(PEOPLE)] for k in range(rows)], dtype=object),
            "code": pd.Series([f"P-{k % 4:03d}" for k in range(rows)], dtype="string"),
            "day": pd.Series(pd.date_range("2024-01-29", periods=rows, freq="33h")).where(i % 8 != 2),
            "stamp": pd.Series([None if k % 13 == 3 else day for k, day in enumerate(days)], dtype="str"),
            "seen": pd.Series(pd.date_range("2025-11-03 08:00", periods=rows, freq="9D")),
            "language": pd.Series([x for x, _ in said], dtype="str"),
            "market": pd.Series([("CH", "US", "JP")[k % 3] for k in range(rows)], dtype="str"),
            "agent": pd.Series([None if k % 17 == 9 else f"agent {k % 5}" for k in range(rows)], dtype="str"),
            "topic": pd.Series([None if k % 19 == 11 else CLASSES[(k + k // 7) % 4] for k in range(rows)], dtype="str"),
        }
    )
    frame.loc[4 % rows, "text"] = np.nan
    return frame


def sure(frame: pd.DataFrame) -> np.ndarray:
    "How sure a pilot is of each row: by its id, so that it stays with the row in any order."
    return np.array([(int(k[1:]) * 37 % 101) / 100 for k in frame["id"]])


def spec_in(folder: Path, yaml: str = YAML) -> Spec:
    "The promise, with translations of half of the rows."
    (folder / "pilot.yaml").write_text(yaml, encoding="utf-8")
    rows = [f"r{k},{x},{say} {k}" for k in range(0, 200, 2) for x, say in (("de", "Satz Nummer"), ("fr", "phrase numéro"))]
    (folder / "parallel.csv").write_text("\n".join(["id,language,text", *rows]) + "\n", encoding="utf-8")
    mixed().to_csv(folder / "replay.csv", index=False)
    return Spec.load(folder)


@cache
def promise(yaml: str = YAML) -> Spec:
    "The promise, in a folder that lives as long as the process."
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return spec_in(Path(folder), yaml)


KINDS = {n: k for n, k in kinds().items() if k.family in FAMILIES}
NAMES = sorted(KINDS)


def made(name: str, *columns: str, severity: float = 0.5, **more: object) -> Scenario:
    "A scenario of a kind, with the parameters that it cannot do without."
    return KINDS[name](*columns, severity=severity, **(MORE.get(name, {}) | more))
