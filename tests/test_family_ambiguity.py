"""What cannot be told from what was written: negations, broken-off and double requests, missing things, contradicting fields."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import _negation as negation
from pilot_to_prod.scenarios import ambiguity, kinds, scenario
from pilot_to_prod.scenarios._referents import languages, referents
from pilot_to_prod.spec import Spec

TABLES = resources.files("pilot_to_prod").joinpath("scenarios/tables")
FEEDBACK = Path(__file__).parents[1] / "pilots" / "feedback" / "data"
quick = settings(deadline=None, max_examples=60, derandomize=True)
kinds()


def made(name: str, texts: list[str], severity: float = 1, **params: object) -> list[str]:
    "Texts after a scenario that hits every unit."
    frame = pd.DataFrame({"text": texts})
    one = scenario(name, columns=["text"], severity=severity, **params)
    return one.fit(frame).corrupt(frame, seed=4).frame["text"].tolist()


def spec_of(inputs: dict[str, str], label: str = "topic", **data: object) -> Spec:
    columns = inputs if label in inputs else {**inputs, label: "category"}
    return Spec.model_validate(
        {
            "name": "tiny",
            "task": "multiclass",
            "model": {"loader": "module", "ref": "m:m"},
            "data": {"reference": "r.csv", "replay": "r.csv", "label": label, "columns": columns, **data},
        }
    )


# negation --------------------------------------------------------------------------------------------------------------

REMOVED = [
    ("en", "My card isn't working.", "My card is working."),
    ("en", "I can't pay with it", "I can pay with it"),
    ("en", "I don't have a card.", "I have a card."),
    ("en", "Don\u2019t send it.", "Send it."),
    ("en", "It hasn't arrived yet.", "It has already arrived."),
    ("en", "It no longer works, why?", "It still works, why?"),
    ("en", "Why won't it let me pay?", "Why will it let me pay?"),
    ("en", "I NEVER RECEIVED it", "I RECEIVED it"),
    ("de", "Das Paket ist nicht gekommen.", "Das Paket ist gekommen."),
    ("de", "Ich habe keinen Beleg.", "Ich habe einen Beleg."),
    ("de", "Ich habe keine Rechnungen bekommen.", "Ich habe Rechnungen bekommen."),
    ("de", "Er ist noch nicht da.", "Er ist schon da."),
    ("de", "Das glaube ich nicht.", "Das glaube ich."),
    ("fr", "Je ne peux pas payer.", "Je peux payer."),
    ("fr", "Je n'ai pas reçu mon colis.", "J'ai reçu mon colis."),
    ("fr", "Ce n\u2019est pas mon colis.", "C'est mon colis."),
    ("fr", "Il ne marche plus.", "Il marche encore."),
    ("es", "No me gusta.", "Me gusta."),
    ("es", "El pedido aún no ha llegado.", "El pedido ya ha llegado."),
    ("it", "Non funziona.", "Funziona."),
    ("pt", "Ainda não recebi o pacote.", "Já recebi o pacote."),
    ("sv", "Jag kan inte betala.", "Jag kan betala."),
    ("da", "Det virker ikke længere.", "Det virker stadig."),
    ("id", "Pesanan saya belum datang.", "Pesanan saya sudah datang."),
]
INSERTED = [
    ("en", "I can pay by card.", "I cannot pay by card."),
    ("en", "My parcel is late.", "My parcel is not late."),
    ("en", "I'm happy with it.", "I'm not happy with it."),
    ("en", "I've paid.", "I have not paid."),
    ("en", "We received it.", "We did not receive it."),
    ("en", "i need help", "i don't need help"),
    ("en", "Remind me to pay.", "Don't remind me to pay."),
    ("en", "please cancel my order", "please don't cancel my order"),
    ("de", "Ich habe ein Paket bestellt.", "Ich habe kein Paket bestellt."),
    ("de", "Das Geld wurde heute abgebucht.", "Das Geld wurde heute nicht abgebucht."),
    ("fr", "J'ai une carte.", "Je n'ai pas de carte."),
    ("fr", "J'ai un abonnement.", "Je n'ai pas d'abonnement."),
    ("fr", "C'est mon colis.", "Ce n'est pas mon colis."),
    ("fr", "Le colis est arrivé.", "Le colis n'est pas arrivé."),
    ("es", "Me gusta la manta.", "No me gusta la manta."),
    ("es", "El paquete llegó roto.", "El paquete no llegó roto."),
    ("it", "È arrivato il pacco.", "Non è arrivato il pacco."),
    ("pt", "Eu recebi o pacote.", "Eu não recebi o pacote."),
    ("sv", "Jag vill betala.", "Jag vill inte betala."),
    ("da", "Jeg kan betale.", "Jeg kan ikke betale."),
    ("id", "Saya sudah bayar.", "Saya belum bayar."),
]


@pytest.mark.parametrize("language, before, after", REMOVED + INSERTED)
def test_a_sentence_is_turned_into_its_opposite(language: str, before: str, after: str) -> None:
    assert made("negation", [before], language=language) == [after]


@pytest.mark.parametrize("language, before, after", REMOVED)
def test_taking_out_leaves_sentences_without_a_negation_alone_and_the_reverse(language: str, before: str, after: str) -> None:
    assert made("negation", [before], language=language, how="remove") == [after]
    assert made("negation", [before], language=language, how="insert") == [before]


@pytest.mark.parametrize("language, before, after", INSERTED)
def test_putting_in_leaves_negated_sentences_alone(language: str, before: str, after: str) -> None:
    assert made("negation", [before], language=language, how="remove") == [before]
    assert made("negation", [before], language=language, how="insert") == [after]


@pytest.mark.parametrize(
    "language, text",
    [
        ("en", "Can I pay by card?"),
        ("en", "where is my card"),  # a question without its mark
        ("en", "Isn't it here?"),  # asks for what "is it here?" asks for
        ("en", "Don't you deliver?"),
        ("en", "I have nothing."),
        ("en", "I haven't received anything."),  # "I have received anything" is no English
        ("en", "I would like to pay."),
        ("en", "scanning, canned, willing"),
        ("de", "Kann ich zahlen?"),
        ("de", "Niemand ist gekommen."),
        ("de", "Kommt es heute oder nicht?"),
        ("fr", "Je n'ai pas de carte."),  # "j'ai de carte" is no French
        ("fr", "Je n'ai rien reçu."),
        ("fr", "Je vous ai écrit."),
        ("es", "No tengo nada."),
        ("it", "Non ho niente."),
        ("pt", "Não tenho nada."),
        ("id", "Jangan kirim."),
    ],
)
def test_what_cannot_be_turned_simply_stays(language: str, text: str) -> None:
    assert made("negation", [text], language=language) == [text]


def test_one_place_a_sentence_and_every_sentence() -> None:
    [after] = made("negation", ["I can pay and I will pay. It isn't here. I can go!"], language="en")
    assert after == "I cannot pay and I will pay. It is here. I cannot go!"


@pytest.mark.parametrize("language", negation.LANGUAGES)
def test_what_changes_depends_on_the_changed_words_alone(language: str) -> None:
    "The rule that finds the words is the one that rewrites them: else the ledger could not replay the change."
    texts = [b for x, b, _ in REMOVED + INSERTED if x == language]
    for text in texts:
        spans = negation.negations(text, language, "both")
        assert spans
        for a, b in spans:
            span = text[a:b]
            first = next(r for r in negation.rules(language) if r.shape.fullmatch(span))
            assert any(m.span("s") == (a, b) for m in first.find.finditer(text)), span


@quick
@given(
    st.lists(
        st.sampled_from(
            [
                "I",
                "my card",
                "don't",
                "can",
                "can't",
                "not",
                "is",
                "have",
                "a",
                "received",
                "yet",
                ".",
                "?",
                "never",
                "any",
                "it",
            ]
        ),
        max_size=12,
    )
)
def test_spans_are_apart_and_every_one_changes(parts: list[str]) -> None:
    text, at = " ".join(parts), 0
    for a, b in negation.negations(text, "en", "both"):
        assert at <= a < b <= len(text)
        new = negation.turned(text[a:b], "en")
        assert new is not None and new != text[a:b]
        at = b


def test_unknown_ways_and_languages_are_named() -> None:
    with pytest.raises(ValueError, match="how must be one of both, insert, remove; got 'flip'"):
        made("negation", ["a"], language="en", how="flip")
    with pytest.raises(ValueError, match="no rules of negation for 'xx'; known: da, de"):
        negation.rules("xx")


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "sv"])
def test_stated_reach_of_the_rules_is_what_is_measured(language: str) -> None:
    table = pd.read_csv(FEEDBACK / ("replay.csv" if language == "en" else "parallel.csv"))
    texts = table["text"] if language == "en" else table.loc[table["language"] == language, "text"]
    found = np.mean([bool(negation.negations(t, language, "both")) for t in texts])
    stated = ambiguity.negation_coverage().loc[(language, "this project's feedback texts"), "rows"]
    assert stated == pytest.approx(found, abs=0.001)


# truncation ------------------------------------------------------------------------------------------------------------


@quick
@given(
    st.text(alphabet="ab é😀\n", min_size=1, max_size=40),
    st.sampled_from([0.01, 0.3, 0.5, 0.99]),
    st.sampled_from(["words", "chars"]),
)
def test_what_is_cut_is_a_beginning_shorter_than_the_text(text: str, keep: float, by: str) -> None:
    [after] = made("truncation", [text], keep=keep, by=by)
    if by == "words":
        before = text.split()
        if len(before) > 1:
            kept = min(max(1, int(keep * len(before))), len(before) - 1)
            assert after.split() == before[:kept] and text.startswith(after)
        else:
            assert after == text
    else:
        assert text.startswith(after) and (len(after) == max(1, int(keep * len(text))) if len(text) > 1 else after == text)


@pytest.mark.parametrize("params", [{"keep": 0}, {"keep": 1}, {"keep": 50}, {"keep": True}, {"by": "bytes"}])
def test_truncation_refuses_what_keeps_nothing_or_everything(params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="truncation: (keep|by) must be"):
        made("truncation", ["a b"], **params)


# two intents -----------------------------------------------------------------------------------------------------------

ASKED = pd.DataFrame(
    {
        "text": [
            "Where is my parcel?",
            "When will it come?",
            "The lamp is broken.",
            "The mug has a crack.",
            "Give me my money back.",
        ],
        "topic": ["delivery", "delivery", "quality", "quality", "refund"],
    }
)


def appended(frame: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    "For each row the reference text that was added."
    out = []
    for old, new in zip(frame["text"], after["text"], strict=True):
        assert new.startswith(old + " ")
        rest = new.removeprefix(old)
        [found] = [t for t in ASKED["text"] if rest.lower().endswith(t.lower())]
        out.append(found)
    return out


def test_the_second_request_is_of_another_class_where_classes_are_known() -> None:
    topic = dict(zip(ASKED["text"], ASKED["topic"], strict=True))
    fitted = scenario("two_intents", columns=["text"], severity=1).fit(ASKED, spec_of({"text": "text"}))
    seen = set()
    for seed in range(8):
        added = appended(ASKED, fitted.corrupt(ASKED, seed=seed).frame)
        assert all(topic[new] != own for new, own in zip(added, ASKED["topic"], strict=True))
        seen |= set(added)
    assert seen == set(ASKED["text"])


def test_without_classes_it_is_any_other_text() -> None:
    frame = ASKED[["text"]]
    for seed in range(8):
        added = appended(
            frame, scenario("two_intents", columns=["text"], severity=1).fit(frame).corrupt(frame, seed=seed).frame
        )
        assert all(new != own for new, own in zip(added, frame["text"], strict=True))


def test_the_order_of_the_reference_does_not_matter() -> None:
    spec, one = spec_of({"text": "text"}), scenario("two_intents", columns=["text"], severity=1)
    first, second = (one.fit(r, spec).corrupt(ASKED).frame for r in (ASKED, ASKED.iloc[::-1]))
    assert first.equals(second)


def test_joining_words_are_in_the_language_of_the_row() -> None:
    spec = spec_of({"text": "text", "tongue": "language"})
    frame = ASKED.assign(tongue=["de", "fr", "zh", "en", "ar"])
    after = scenario("two_intents", columns=["text"], severity=1).fit(frame, spec).corrupt(frame).frame["text"]
    table = json.loads(TABLES.joinpath("connectors.json").read_text(encoding="utf-8"))
    for old, new, x in zip(frame["text"], after, frame["tongue"], strict=True):
        assert any(new.startswith(f"{old} {c} ") for c in table[x]), new
    with pytest.raises(ValueError, match="no joining words for 'xx'"):
        made("two_intents", ["a", "b"], language="xx")
    with pytest.raises(ValueError, match="two reference texts or more"):
        made("two_intents", ["a"], language="en")


def test_a_reference_of_one_class_leaves_nothing_to_append() -> None:
    frame = ASKED.assign(topic="delivery")
    hit = scenario("two_intents", columns=["text"], severity=1).fit(frame, spec_of({"text": "text"})).corrupt(frame)
    assert hit.eligible == 0 and hit.frame.equals(frame)


# no referent -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "language, before, among",
    [
        ("en", "Where is my parcel?", ["Where is it?", "Where is that one?", "Where is this?", "Where is that?"]),
        ("en", "My new cards are late", ["Those are late", "These are late", "Those ones are late"]),
        ("en", "my card payment's fee", ["my card payment's fee"]),
        ("en", "a cardboard box-office", ["a cardboard box-office"]),
        ("de", "Ich warte auf mein Paket.", ["Ich warte darauf."]),
        ("de", "zum Paket", ["dazu"]),
        ("de", "Das Paket fehlt", ["Das fehlt", "Es fehlt", "Dies fehlt"]),
        ("fr", "au magasin", ["à ça"]),
        ("fr", "J'attends l'argent.", ["J'attends ça.", "J'attends cela.", "J'attends ceci."]),
        ("es", "el saldo del pedido", ["eso de eso", "esto de eso", "aquello de eso"]),
        ("it", "aggiungi alla mia playlist", ["aggiungi a questo"]),
        ("pt", "no pacote", ["nisso"]),
        ("nl", "met mijn bestelling", ["daarmee"]),
    ],
)
def test_things_become_pronouns_that_say_nothing(language: str, before: str, among: list[str]) -> None:
    assert made("no_referent", [before], language=language)[0] in among


@pytest.mark.parametrize("language", languages())
def test_every_noun_is_found_behind_every_article(language: str) -> None:
    table = json.loads(TABLES.joinpath("nouns.json").read_text(encoding="utf-8"))[language]
    found = referents(language)
    nouns = [*table["one"], *table["many"]]
    articles = [d for d in table["determiners"] if not d.endswith("'")]
    for i, noun in enumerate(nouns):
        text = f"{articles[i % len(articles)]} {noun}"
        assert found.find(text) == [(0, len(text))], text
        new = found.said(text, 0.99)
        assert new and new != text and noun.lower() not in new.lower().split()
    assert not found.find(" ".join(nouns[:3]) + "-x")
    assert not any(found.find(a) for a in table["determiners"])


# fields ----------------------------------------------------------------------------------------------------------------

CLAIMS = pd.DataFrame(
    {
        "text": ["broken", "late", "charged twice", "cracked", None],
        "desk": ["repairs", "delivery", "billing", "repairs", "billing"],
        "amount": [40.0, 12.5, 80.0, 9.0, 12.5],
        "topic": ["quality", "delivery", "refund", "quality", "refund"],
    }
)


def test_one_field_comes_from_a_row_of_another_class() -> None:
    spec = spec_of({"text": "text", "desk": "category", "amount": "amount"})
    fitted = scenario("conflicting_fields", columns=["text", "desk", "amount"], severity=1).fit(CLAIMS, spec)
    fields = set()
    for seed in range(10):
        after = fitted.corrupt(CLAIMS, seed=seed).frame
        for i in range(len(CLAIMS)):
            old, new = CLAIMS.iloc[i], after.iloc[i]
            moved = [c for c in CLAIMS if not (new[c] == old[c] or (pd.isna(new[c]) and pd.isna(old[c])))]
            assert len(moved) == 1
            donors = CLAIMS.loc[CLAIMS["topic"] != old["topic"], moved[0]].tolist()
            assert new[moved[0]] in donors
            fields |= set(moved)
        assert after["topic"].equals(CLAIMS["topic"]) and list(after.dtypes) == list(CLAIMS.dtypes)
    assert fields == {"text", "desk", "amount"}


def test_a_row_with_one_filled_field_contradicts_nothing() -> None:
    frame = pd.DataFrame({"text": ["a", "b", None], "desk": ["x", None, None]})
    hit = scenario("conflicting_fields", columns=["text", "desk"], severity=1).fit(frame).corrupt(frame)
    assert hit.eligible == 1 and hit.frame["text"].tolist()[0] == "b" and hit.frame.iloc[1:].equals(frame.iloc[1:])


def test_a_pilot_with_one_input_has_nothing_to_contradict() -> None:
    kind = kinds()["conflicting_fields"]
    assert kind.variants is not None
    assert "two input columns" in str(kind.variants(spec_of({"text": "text"})))
    assert kind.variants(spec_of({"text": "text", "amount": "amount"})) == [{}]


# distractors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ambiguity._distracting())
def test_the_request_stays_whole_with_something_before_or_behind_it(language: str) -> None:
    table = json.loads(TABLES.joinpath("distractors.json").read_text(encoding="utf-8"))[language]
    text = "Pay $12 to a@b.com?"
    for what in ("greeting", "small_talk", "signature", "forwarded"):
        assert len(set(table[what])) == len(table[what]) >= 3
        [after] = made("distractor", [text], language=language, what=what)
        around = after.replace(text, "").strip()
        assert after.count(text) == 1 and around in table[what]
        if what != "small_talk":
            assert after.endswith(text) is (what != "signature")


def test_distractors_say_nothing_with_a_number_in_it_and_leave_blank_texts() -> None:
    table = json.loads(TABLES.joinpath("distractors.json").read_text(encoding="utf-8"))
    assert len(table) >= 6
    assert not any(c.isdigit() for x in table.values() for said in x.values() for t in said for c in t)
    assert made("distractor", ["", " \n"], language="en") == ["", " \n"]
    with pytest.raises(ValueError, match="what must be one of greeting"):
        made("distractor", ["a"], language="en", what="joke")
    with pytest.raises(ValueError, match="no distractors in 'xx'; known"):
        made("distractor", ["a"], language="xx")


# collisions ------------------------------------------------------------------------------------------------------------

codes = st.integers(-2, 3)


@quick
@given(st.lists(st.tuples(codes, codes, codes), max_size=40))
def test_collisions_are_the_pairs_confused_more_often(rows: list[tuple[int, int, int]]) -> None:
    truth, clean, stressed = (np.array([r[i] for r in rows], np.int16) for i in range(3))
    names = ["a", "b", "c", "d"]
    found = ambiguity.collisions(truth, clean, stressed, names, top=99)
    assert list(found) == ["truth", "answer", "clean", "stressed", "more", "share"]
    expected = {}
    for t in range(4):
        for a in range(4):
            before, after = (int(((truth == t) & (x == a)).sum()) for x in (clean, stressed))
            if t != a and after > before:
                expected[names[t], names[a]] = (before, after, after - before, (after - before) / int((truth == t).sum()))
    assert {(r.truth, r.answer): (r.clean, r.stressed, r.more, r.share) for r in found.itertuples()} == expected
    assert found["more"].is_monotonic_decreasing


def test_collisions_over_several_replays_are_means_and_cut_at_the_top() -> None:
    truth, clean = np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2])
    stressed = np.array([[1, 0], [1, 1], [1, 2], [-1, -2]])
    found = ambiguity.collisions(truth, clean, stressed, ["a", "b", "c"])
    assert found.to_dict("list") == {
        "truth": ["a", "b"], "answer": ["b", "c"], "clean": [0, 0], "stressed": [1.5, 0.5], "more": [1.5, 0.5], "share": [0.75, 0.5],
    }  # fmt: skip
    assert len(ambiguity.collisions(truth, clean, stressed, ["a", "b", "c"], top=1)) == 1
    with pytest.raises(ValueError, match="one code a row"):
        ambiguity.collisions(truth, clean[:2], clean, ["a", "b", "c"])


def test_no_more_confusion_is_an_empty_table() -> None:
    same = np.array([0, 1])
    assert ambiguity.collisions(same, same, same, ["a", "b"]).empty


def test_sources_are_stated_for_every_table() -> None:
    stated = json.loads(TABLES.joinpath("ambiguity.sources.json").read_text(encoding="utf-8"))
    for name, about in stated.items():
        assert TABLES.joinpath(name).is_file()
        assert about["source"] and about["licence"] and about["rows"] > 0
    shares = json.loads(TABLES.joinpath("negation_coverage.json").read_text(encoding="utf-8"))
    assert sorted(shares) == sorted(negation.LANGUAGES)
