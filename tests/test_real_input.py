"""Real requests, questions and figures that the project does not ship: what their replays must show, exactly."""

import json
import re
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from skops.io import dump

from pilot_to_prod import Evidence, Pilot, replay, scenario, scorecard, suite
from pilot_to_prod.gates import Judged, Verdict, judge
from pilot_to_prod.scenarios.ambiguity import collisions
from pilot_to_prod.scenarios.language import COUNTS, coverage, lexicon, lexicons, switchable

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
LANGUAGES = ("de", "da", "zh", "tr", "ar")
UNKNOWN = ("cy", "ja")  # languages without a lexicon
STATED = json.loads(
    resources.files("pilot_to_prod").joinpath("scenarios/tables/language.sources.json").read_text(encoding="utf-8")
)["lexicon_en.tsv"]
LEXICONS = sorted(STATED["coverage"])  # language → text → share of its content words
PROMISE = """
name: assistant
task: multiclass
model: {{loader: skops, path: model.skops}}
data:
  reference: train.csv
  replay: replay.csv
  id: id
  label: intent
  labels: {labels}
  columns: {{text: text, id: id}}
  parallel: {{path: parallel.csv, languages: {languages}}}
gates:
  - {{name: requests in English, metric: accuracy, at_least: 0.8}}
  - {{name: every language, metric: accuracy, at_least: 0.8, scenario: parallel_text}}
  - {{name: no intent is forgotten, metric: macro_f1, at_least: 0.6}}
"""


def real(name: str) -> Path:
    "A file of the real data; without it the test is skipped, and says which file it wants."
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no real data here: ../shared/data/{name}, from the project's root, is absent")
    return path


def asked_in(evidence: Evidence) -> dict[str, tuple[float, float, float]]:
    "Language → accuracy of whole requests with its interval; English stands for the clean rows."
    table = evidence.to_frame(pool_seeds=True)
    whole = table[table["scenario"].eq("clean") | table["scenario"].str.startswith("parallel_text")]
    spoken = [re.sub(r".*language='(\w+)'.*", r"\1", s) if s != "clean" else "en" for s in whole["scenario"]]
    return {x: tuple(row) for x, row in zip(spoken, whole[["value", "low", "high"]].to_numpy().tolist(), strict=True)}


# --- xSID 0.7 (CC BY-SA 4.0): the same requests in six languages, put to a pilot that learnt English


@pytest.fixture(scope="module")
def xsid() -> pd.DataFrame:
    "One row a request and language; what says the same thing has the same id."
    rows = pd.read_csv(real("xsid/xsid.tsv"), sep="\t", dtype="str", keep_default_na=False)
    return rows.assign(id=rows["split"] + "-" + rows["pos"])


@pytest.fixture(scope="module")
def assistant(xsid: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    "Model, rows and promise in a folder, as an owner keeps them."
    folder = tmp_path_factory.mktemp("assistant")
    english, test = xsid[xsid["lang"] == "en"], xsid[xsid["split"] == "test"]
    train = english[english["split"] == "valid"]
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        LogisticRegression(C=3, max_iter=1000),
    )
    dump(model.fit(train["text"], train["intent"]), folder / "model.skops")
    train[["id", "text", "intent"]].to_csv(folder / "train.csv", index=False)
    english.loc[english["split"] == "test", ["id", "text", "intent"]].to_csv(folder / "replay.csv", index=False)
    test.loc[test["lang"] != "en", ["id", "lang", "text"]].rename(columns={"lang": "language"}).to_csv(
        folder / "parallel.csv", index=False
    )
    promise = PROMISE.format(labels=json.dumps(sorted(english["intent"].unique())), languages=json.dumps(LANGUAGES))
    (folder / "pilot.yaml").write_text(promise, encoding="utf-8")
    return Pilot.load(folder)


@pytest.fixture(scope="module")
def requests(assistant: Pilot) -> Evidence:
    "Whole requests in five languages, three in ten or all known words in each of them, and typos in three words of ten."
    wanted = [(scenario("parallel_text", language=x), (1.0,)) for x in LANGUAGES] + [(scenario("typos"), (0.3,))]
    wanted += [(scenario("code_switch", language=x), (0.3, 1.0)) for x in LANGUAGES]
    return replay(assistant, suite(wanted, assistant.spec), seeds=(0,), progress=False)


@pytest.fixture(scope="module")
def judged(assistant: Pilot, requests: Evidence) -> dict[str, Judged]:
    return {g.promise.name: g for g in judge(assistant.spec, requests)}


def test_every_request_is_asked_in_every_language(requests: Evidence) -> None:
    assert len(requests) == 500
    assert len(requests.cells) == 3 * len(LANGUAGES) + 1
    assert not len(requests.faults)
    whole = [c for c in requests.cells if c.kind == "parallel_text"]
    assert [(c.asked, c.eligible, c.delivered, c.changed) for c in whole] == [(500,) * 4] * len(LANGUAGES)


def test_english_is_understood_and_no_other_language_comes_near(requests: Evidence) -> None:
    found = asked_in(requests)
    english, low, _ = found.pop("en")
    assert english > 0.8
    assert set(found) == set(LANGUAGES)
    assert {x: high for x, (_, _, high) in found.items() if high >= low} == {}


def test_typos_cost_less_than_any_language(requests: Evidence) -> None:
    table = requests.to_frame().set_index("scenario")["value"]
    assert table["clean"] > table["typos"] > max(value for x, (value, _, _) in asked_in(requests).items() if x != "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_request_costs_more_than_every_known_word_of_it(requests: Evidence, language: str) -> None:
    table = requests.to_frame().query(f"scenario == \"code_switch(language='{language}')\"").set_index("severity")["value"]
    found = asked_in(requests)
    assert found["en"][0] > table[0.3] > table[1.0] > found[language][0]


@pytest.mark.parametrize("language", UNKNOWN)
def test_a_language_without_a_lexicon_is_refused_and_every_other_one_is_in_the_suite(assistant: Pilot, language: str) -> None:
    with pytest.raises(ValueError, match=f"no lexicon en → {language}; known: en → ar, en → da, en → de"):
        scenario("code_switch", language=language).fit(assistant.reference, assistant.spec)
    mixed = {dict(one.params)["language"] for one, _ in suite("language", assistant.spec) if one.name == "code_switch"}
    assert mixed == set(LANGUAGES)


def test_detection_leaves_few_english_words_untreated_and_says_so(requests: Evidence) -> None:
    "The promise names no language: a request that seems to be in another one is left alone, and counted."
    cells = [c for c in requests.cells if c.kind == "code_switch"]
    assert {c.untreated for c in cells} == {cells[0].untreated}
    assert 0 < cells[0].untreated <= 0.01 * cells[0].units
    assert sum("knows nothing of" in note for note in requests.notes) == len(LANGUAGES)


def test_the_promise_of_every_language_fails(judged: dict[str, Judged]) -> None:
    assert judged["requests in English"].verdict is Verdict.PASSES
    broken = judged["every language"]
    assert broken.verdict is Verdict.FAILS
    assert {c.verdict for c in broken.cells} == {Verdict.FAILS}
    assert len(broken.cells) == len(LANGUAGES)


def test_rare_intents_leave_macro_f1_undecided(judged: dict[str, Judged]) -> None:
    assert judged["no intent is forgotten"].verdict is Verdict.UNDECIDED
    assert "fewer than 20 rows" in judged["no intent is forgotten"].reason


def test_the_card_blocks_and_names_the_languages(assistant: Pilot, requests: Evidence) -> None:
    card = scorecard(assistant.spec, requests)
    assert (card.verdict, card.exit_code) == ("block", 1)
    assert card.reasons(1)[0]["section"] == "languages and markets"
    assert "Arabic" in card.reasons(1)[0]["title"]


def test_the_order_of_the_rows_changes_nothing(assistant: Pilot, requests: Evidence) -> None:
    mixed = Pilot(assistant.spec, assistant.model, assistant.reference, assistant.replay_set.sample(frac=1, random_state=0))
    wanted = [(scenario("parallel_text", language="ar"), (1.0,)), (scenario("typos"), (0.3,))]
    again = replay(mixed, suite(wanted, assistant.spec), seeds=(0,), batch_rows=64, progress=False)
    where = {c.scenario: i for i, c in enumerate(requests.cells)}
    assert all((a == requests.answers[where[c.scenario]]).all() for c, a in zip(again.cells, again.answers, strict=True))


# --- banking77 (CC BY 4.0): bank customers' questions


@pytest.fixture(scope="module")
def bank() -> Pipeline:
    train = pd.read_csv(real("banking77/train.csv"))
    return make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True), LogisticRegression(C=10, tol=1e-3, max_iter=1000)).fit(
        train["text"], train["category"]
    )


@pytest.fixture(scope="module")
def questions(bank: Pipeline) -> Evidence:
    "The first 600 test questions under typos and words of another language."
    pilot = Pilot.of(bank, pd.read_csv(real("banking77/test.csv")).head(600), label="category")
    wanted = [scenario("typos"), *(scenario("code_switch", language=x) for x in ("de", "tr"))]
    return replay(pilot, suite(wanted, pilot.spec), severities=(0.1, 0.3, 0.5), seeds=(0, 1), progress=False)


def test_more_of_it_costs_more(questions: Evidence) -> None:
    table = questions.to_frame(pool_seeds=True)
    loss = table[table["severity"] > 0].pivot(index="scenario", columns="severity", values="degradation")
    assert loss.shape == (3, 3)
    assert (loss[0.1] > 0).all()
    assert (loss.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_the_books_are_exact(questions: Evidence) -> None:
    assert all(c.asked == c.delivered == int(c.severity * c.eligible + 0.5) for c in questions.cells)
    assert all(c.exercised and c.delivered > 0 and c.units >= c.eligible for c in questions.cells)


@pytest.fixture(scope="module")
def doubtful(bank: Pipeline) -> Evidence:
    "Every fourth test question (ten of each intent) under three kinds of ambiguity, all rows hit."
    train, test = pd.read_csv(real("banking77/train.csv")), pd.read_csv(real("banking77/test.csv"))
    pilot = Pilot.of(bank, test.iloc[::4], label="category", reference=train)
    wanted = [scenario(name) for name in ("truncation", "two_intents", "no_referent")]
    return replay(pilot, suite(wanted, pilot.spec), severities=(1,), seeds=(0,), progress=False)


def collided(evidence: Evidence, kind: str) -> pd.DataFrame:
    "All pairs that are confused more often under a kind than clean, the worst first."
    at = next(i for i, c in enumerate(evidence.cells) if c.kind == kind)
    return collisions(evidence.truth, evidence.clean, evidence.answers[at], evidence.labels, top=10_000)


@pytest.mark.parametrize("kind", ["truncation", "two_intents", "no_referent"])
def test_collisions_are_counted_from_the_answers(doubtful: Evidence, kind: str) -> None:
    found, labels = collided(doubtful, kind), list(doubtful.labels)
    at = next(i for i, c in enumerate(doubtful.cells) if c.kind == kind)
    assert found["more"].is_monotonic_decreasing and (found["more"] > 0).all()
    for row in found.head(20).itertuples():
        own = doubtful.truth == labels.index(row.truth)
        for before_or_after, answers in ((row.clean, doubtful.clean), (row.stressed, doubtful.answers[at])):
            assert before_or_after == (answers[own] == labels.index(row.answer)).sum()


def test_what_loses_its_subject_collides_in_few_pairs_and_a_second_request_in_many(doubtful: Evidence) -> None:
    few, many = (collided(doubtful, kind)["more"] for kind in ("no_referent", "two_intents"))
    assert few.head(10).sum() / few.sum() > 1.5 * many.head(10).sum() / many.sum()


# --- what the word lists know of real texts


@pytest.fixture(scope="module")
def texts(xsid: pd.DataFrame) -> dict[str, list[str]]:
    "Name of a text, as the table of sources has it → its items."
    small = json.loads(real("clinc150/data_small.json").read_text(encoding="utf-8"))
    comments = {part: pd.read_csv(real(f"nusax/english-{part}.csv"))["text"].tolist() for part in ("train", "valid", "test")}
    return {
        "xSID 0.7 English test": xsid.loc[(xsid["lang"] == "en") & (xsid["split"] == "test"), "text"].tolist(),
        "banking77 test": pd.read_csv(real("banking77/test.csv"))["text"].tolist(),
        "CLINC150 test": [said for said, _ in small["test"]],
        "CLINC150 train": [said for said, _ in small["train"]],
        "NusaX English test": comments["test"],
        "NusaX English train and valid": comments["train"] + comments["valid"],
    }


@pytest.mark.parametrize("language", LEXICONS)
def test_a_lexicon_covers_what_is_stated(language: str, texts: dict[str, list[str]]) -> None:
    stated = STATED["coverage"][language]
    assert {name: round(coverage(language, said), 3) for name, said in texts.items()} == stated
    assert (language in switchable()) == (min(stated.values()) >= COUNTS)
    shown = lexicons().loc[language]
    assert {name: shown[f"coverage on {name}"] for name in stated} == stated
    assert shown["words"] == len(lexicon(language)) <= STATED["rows"]


def test_every_lexicon_is_stated_and_counts() -> None:
    assert sorted(lexicons().index) == LEXICONS
    assert len(LEXICONS) == 15
    assert set(switchable()) == set(LEXICONS)


# --- the figures that are shipped


def test_the_shipped_credit_figures_are_the_real_ones() -> None:
    "The same 1,000 applications in the same order, with an id put before them."
    shipped, source = ROOT / "pilots/credit/data/germancredit.csv", real("germancredit/germancredit.csv")
    ours, theirs = (pd.read_csv(p, dtype="str", keep_default_na=False) for p in (shipped, source))
    assert list(ours) == ["id", *theirs]
    assert ours["id"].is_unique
    pd.testing.assert_frame_equal(ours.drop(columns="id"), theirs)
