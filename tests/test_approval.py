"""Signatures and promotions: what was signed is what is promoted, everything that is in the way is told at once, and nothing leaves the chain unseen."""

import json
import multiprocessing
import shutil
import unicodedata
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import write_pilot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.card import SCHEMA, hashes
from pilot_to_prod.operate import ApprovalError, needed, promote, promoted, sign, signatures, unsigned
from pilot_to_prod.operate import approval as module
from pilot_to_prod.runs import RunError, Store, frame, history, look_at, prune, show, subject_hashes, trend, verify
from pilot_to_prod.runs import notices as noticed
from pilot_to_prod.runs._store import write_json
from pilot_to_prod.runs.plan import Plan, Unit, _finish
from pilot_to_prod.spec import Spec, hash_json

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BOTH = "approval: [owner, compliance]\n"
SUPPORT = "owner:\n  name: Desk\n  support: {says: We mend it., by: Ada, on: 2026-01-05, expires: 2126-06-30}\n"
HOSTILE = "Ada\u202egnp.exe\x1b[2J\x07<script>alert(1)</script>\n# head\x00\u2066**x**"
MARKETS = [
    {"market": "DE", "verdict": "promote", "reason": "all promises are kept"},
    {"market": "FR", "verdict": "hold", "reason": "210 more rows"},
    {"market": "IE", "verdict": "block", "reason": "recall is broken"},
    {"market": "AT", "verdict": "promote", "reason": "all promises are kept"},
]


def a_card(
    verdict: str = "promote", sentence: str = "All promises are kept.", markets: Any = None, made: str = "2026-03-01"
) -> dict:
    "As much of a card as approvals and the history read; its hashes hold."
    content: dict[str, Any] = {"pilot": {"name": "tiny", "title": "Tiny"}, "gates": [], "performance": [], "slices": []}
    timing = {"verdict": verdict, "sentence": sentence, "reasons": [], "gates": [], "latency": None}
    timing |= {} if markets is None else {"markets": markets}
    card = {"schema": SCHEMA, "content": content, "timing": timing, "made": {"on": made}, "shown": {}}
    return card | hashes(card)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def a_run(top: str | Path, spec: Spec, number: int, card: dict | None = None) -> Path:
    "A run folder, finished as a plan finishes it."
    store = Store(str(top), spec.name)
    store.open()
    folder = store.folder / f"{number:04d}-{hash_json(number)[:10]}"
    contents = {"scorecard.json": json.dumps(card or a_card(), indent=1).encode(), "scorecard.html": b"<p>card</p>"}
    contents |= {"scorecard.ipynb": b"{}", "evidence/missing.parquet": f"answers {number}".encode()}
    for n, d in contents.items():
        write(folder / n, d)
    outputs = {n: module.hashlib.sha256(d).hexdigest() for n, d in contents.items()}
    write_json(folder / "records" / "scorecard.json", {"name": "scorecard", "status": "done", "outputs": outputs})
    plan = Plan(spec.name, (Unit("scorecard", Path(), {}, f"key {number}"),), subject_hashes(spec))
    with store.lock():
        _finish(store, plan, folder, number, store.manifests())
    return folder


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec.load(write_pilot(tmp_path / "pilots" / "tiny", more=SUPPORT + BOTH))


@pytest.fixture(params=["disk", "memory", "s3"])
def top(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    "A folder of runs on this machine, and one at a URL."
    if request.param == "disk":
        return str(tmp_path / "runs")
    there = request.getfixturevalue("s3") if request.param == "s3" else "memory:/"
    return f"{there}/{uuid.uuid4().hex}/runs"


def by_all(top: Any, spec: Spec, run: str | None = None) -> None:
    for role, who in (("owner", "Ada"), ("compliance", "Mary")):
        sign(spec, role=role, by=who, run=run, now=NOW, folder=top)


def reasons(do: Callable[[], Any]) -> tuple[int, list[str]]:
    "Exit code and reasons of a refusal."
    with pytest.raises(ApprovalError) as refused:
        do()
    said = [r.says for r in refused.value.reasons]
    assert all(s in str(refused.value) for s in said)
    return refused.value.exit_code, said


# ---- signing


def test_signature_is_an_entry_of_the_chain_of_runs_and_covers_content_and_timing(top, spec):
    card = a_card()
    run = a_run(top, spec, 1, card)
    made = sign(spec, role="owner", by="Ada", note="read", now=NOW, folder=top)
    chain = Store(top, "tiny").chain()
    body = {k: v for k, v in chain[1].items() if k != "hash"}
    assert chain[1]["previous"] == chain[0]["hash"] and chain[1]["hash"] == hash_json(body) == made.hash
    assert (made.run, made.role, made.by, made.at) == (run.name, "owner", "Ada", "2026-03-02T09:00:00+00:00")
    assert made.card == card["timing_hash"] == hashes(card)["timing_hash"] and made.holds and made.recorded
    assert made.card_sha256 == module.hashlib.sha256((run / "scorecard.json").read_bytes()).hexdigest()
    assert body["manifest"] == chain[0]["hash"] and signatures("tiny", top) == [made]
    assert verify(top) == [] and Store(top, "tiny").manifests() == chain[:1]


def test_same_person_role_and_card_is_recorded_once_another_person_beside(top, spec):
    a_run(top, spec, 1)
    first, again = (
        sign(spec, role="owner", by=b, now=NOW + timedelta(days=i), folder=top) for i, b in enumerate(("Ada B", " Ada  B "))
    )
    assert first.recorded and not again.recorded and (again.number, again.at) == (first.number, first.at)
    assert sign(spec, role="owner", by="Bob", now=NOW, folder=top).recorded
    assert sign(spec, role="product", by="Ada B", now=NOW, folder=top).recorded
    assert [(s.role, s.by) for s in signatures(spec, top)] == [("owner", "Ada B"), ("owner", "Bob"), ("product", "Ada B")]


@pytest.mark.parametrize("run", ["1", "0001", "0001-6b86"])
def test_older_run_is_signed_where_it_is_named_else_the_newest(tmp_path, spec, run):
    old, new = a_run(tmp_path, spec, 1), a_run(tmp_path, spec, 2)
    assert sign(spec, role="owner", by="Ada", run=run, now=NOW, folder=tmp_path).run == old.name
    assert sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path).run == new.name


def test_hold_and_block_may_be_signed_and_promote_nothing(tmp_path, spec):
    for number, (verdict, code) in enumerate((("hold", 3), ("block", 1)), 1):
        a_run(tmp_path, spec, number, a_card(verdict, "Two promises are open."))
        by_all(tmp_path, spec)
        assert {s.verdict for s in signatures(spec, tmp_path) if s.holds and s.run.startswith(f"{number:04d}")} == {verdict}
        got, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))
        assert got == code and said == [f"the card says {verdict}: Two promises are open."]
    assert promoted(spec, tmp_path) is None


def test_everything_wrong_with_a_signature_is_told_at_once(tmp_path, spec):
    code, said = reasons(lambda: sign(spec, role="boss", by=" \u200b\n", run="7", now=NOW, folder=tmp_path))
    assert code == 2 and len(said) == 3 and "owner, product, compliance; got 'boss'" in said[0] and "p2p run tiny" in said[2]
    a_run(tmp_path, spec, 1)
    code, said = reasons(lambda: sign(spec, role="owner", by="", run="7", now=NOW, folder=tmp_path))
    assert code == 2 and "no finished run is called '7'. Known: 0001-6b86b273ff" in said[1]
    code, said = reasons(lambda: sign("../tiny", role="owner", by="Ada", now=NOW, folder=tmp_path))
    assert code == 2 and "'../tiny'" in said[0]


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("scorecard.json", b"{", "cannot be read as a card"),
        ("scorecard.json", b"[" * 99_999, "cannot be read as a card"),
        ("scorecard.json", b"\xff", "cannot be read as a card"),
        ("scorecard.json", b'{"schema": "other"}', "is not a card of schema"),
        (
            "scorecard.json",
            json.dumps(a_card() | {"timing": {"verdict": "promote"}}).encode(),
            "its timing_hash cannot be true",
        ),
        ("scorecard.json", json.dumps(a_card("promote", "forged")).encode(), "not what its record names"),
        ("scorecard.json", None, "there is no scorecard.json"),
        ("scorecard.html", b"<p>another</p>", "scorecard.html: changed"),
        ("evidence/missing.parquet", b"", "missing.parquet: changed"),
        ("record.json", None, "record.json: missing"),
    ],
)
def test_card_or_files_that_are_not_as_they_were_left_are_not_signed_and_not_promoted(tmp_path, spec, file, data, says):
    run = a_run(tmp_path, spec, 1)
    by_all(tmp_path, spec)
    (run / file).unlink() if data is None else (run / file).write_bytes(data)
    before = Store(tmp_path, "tiny").chain()
    for do in (
        lambda: sign(spec, role="owner", by="Bob", now=NOW, folder=tmp_path),
        lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path),
    ):
        code, said = reasons(do)
        assert code == 4 and any(says in s for s in said), said
    assert Store(tmp_path, "tiny").chain() == before


def test_run_of_other_notebooks_has_no_card_to_sign(tmp_path, spec):
    run = a_run(tmp_path, spec, 1)
    shutil.rmtree(tmp_path / "tiny" / "manifests")
    shutil.rmtree(run)
    (run / "records").mkdir(parents=True)
    store = Store(tmp_path, "tiny")
    store.open()
    _finish(store, Plan("tiny", (), subject_hashes(spec)), run, 1, [])
    assert reasons(lambda: sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path))[0] == 4


# ---- a card that changed is unsigned


@given(at=st.integers(0), byte=st.integers(1, 255))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_card_with_one_byte_changed_is_unsigned(tmp_path_factory, at, byte):
    home = tmp_path_factory.mktemp("byte")
    spec = Spec.load(write_pilot(home / "pilot", more=SUPPORT + BOTH))
    path = a_run(home / "runs", spec, 1) / "scorecard.json"
    by_all(home / "runs", spec)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= byte
    path.write_bytes(data)
    assert [s.holds for s in signatures(spec, home / "runs")] == [False, False]
    code, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=home / "runs"))
    assert code == 4 and sum("does not hold" in s for s in said) == 2


def test_forged_card_with_new_hashes_is_unsigned_and_not_promoted(tmp_path, spec):
    run = a_run(tmp_path, spec, 1, a_card("hold"))
    by_all(tmp_path, spec)
    (run / "scorecard.json").write_text(json.dumps(a_card("promote"), indent=1), encoding="utf-8")
    assert [(s.holds, s.why) for s in signatures(spec, tmp_path)] == [(False, "the card changed after it was signed")] * 2
    code, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))
    assert (
        code == 4
        and any("scorecard.json: changed" in s for s in said)
        and unsigned(spec, signatures(spec, tmp_path), run.name) == ["owner", "compliance"]
    )
    assert history(tmp_path)["signed"].tolist() == ["owner (changed), compliance (changed)"]
    # with a record to match, the chain still knows another card
    record = json.loads((run / "records" / "scorecard.json").read_bytes())
    record["outputs"]["scorecard.json"] = module.hashlib.sha256((run / "scorecard.json").read_bytes()).hexdigest()
    write_json(run / "records" / "scorecard.json", record)
    assert reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))[0] == 4


def test_run_that_was_executed_again_is_signed_again(tmp_path, spec):
    run = a_run(tmp_path, spec, 1)
    by_all(tmp_path, spec)
    assert a_run(tmp_path, spec, 1, a_card("promote", "Judged again.")) == run
    code, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))
    assert code == 3 and len(said) == 2 and all("changed after it was signed" in s for s in said)
    by_all(tmp_path, spec)
    assert (
        promote(spec, by="Grace", now=NOW, folder=tmp_path).holds
        and [s.holds for s in signatures(spec, tmp_path)] == [False] * 2 + [True] * 2
    )


# ---- promoting


def test_promotion_names_card_signatures_and_evidence_and_is_recorded_once(top, spec):
    run = a_run(top, spec, 1)
    assert promoted("tiny", top) is None and signatures("tiny", top) == []
    by_all(top, spec)
    sign(spec, role="product", by="Pat", now=NOW, folder=top)
    made = promote(spec, by="Grace", now=NOW, folder=top)
    signed = signatures(spec, top)
    assert (made.run, made.markets, made.by, made.verdict) == (run.name, None, "Grace", "promote")
    assert made.signatures == (signed[0].hash, signed[1].hash)  # product was not asked
    assert str(made.folder) == str(run) and (made.evidence / "missing.parquet").read_bytes() == b"answers 1"
    entry = Store(top, "tiny").chain()[-1]
    assert (entry["kind"], entry["card"], entry["previous"]) == ("promotion", made.card, signed[-1].hash)
    again = promote(spec, by="Bob", now=NOW, folder=top)
    assert not again.recorded and again.number == made.number and promoted("tiny", top) == made and verify(top) == []
    assert history(top)[["signed", "promoted"]].values.tolist() == [["owner, compliance, product", "yes"]]


def test_every_reason_is_in_one_message(tmp_path, spec):
    run = a_run(tmp_path, spec, 1, a_card("block", "One promise is broken."))
    sign(spec, role="product", by="Pat", now=NOW, folder=tmp_path)
    (spec.folder / "model.py").write_text("model = None", encoding="utf-8")
    now = Spec.load(write_pilot(spec.folder, source=None, more=SUPPORT + BOTH + "costs: {late -> broken: 3}\n"))
    (run / "scorecard.html").write_bytes(b"?")
    code, said = reasons(lambda: promote(now, by="..", now=NOW + timedelta(days=36_700), folder=tmp_path))
    wanted = ["by must be", "scorecard.html: changed", "card says block", "owner.support, stated by Ada, expired on 2126-06-30"]
    wanted += ["owner has not signed", "compliance has not signed", "promise on disk is not", "model on disk is not"]
    assert code == 4 and len(said) == len(wanted) and all(w in s for w, s in zip(wanted, said, strict=True))
    assert Store(tmp_path, "tiny").chain()[-1]["kind"] == "signature"


@pytest.mark.parametrize("changed", ["model", "promise", "gone"])
def test_what_was_not_judged_is_not_promoted(tmp_path, spec, changed):
    a_run(tmp_path, spec, 1)
    by_all(tmp_path, spec)
    if changed == "model":
        (spec.folder / "model.py").write_text("model = None", encoding="utf-8")
    elif changed == "gone":
        (spec.folder / "model.py").unlink()
    else:
        spec = spec.model_copy(update={"costs": {"late -> broken": 3.0}})
        spec.__dict__.pop("hash", None)
    code, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))
    assert (
        code == (4 if changed == "gone" else 3) and len(said) == 1 and ("compared" if changed == "gone" else changed) in said[0]
    )


@pytest.mark.parametrize(
    ("day", "made", "fine"),
    [("2126-06-30", "2026-03-01", True), ("2126-07-01", "2026-03-01", False), ("2126-07-01", "2126-07-01", True)],
)
def test_attestation_that_expired_since_the_card_is_in_the_way(tmp_path, spec, day, made, fine):
    a_run(tmp_path, spec, 1, a_card(made=made))
    by_all(tmp_path, spec)
    now = datetime.fromisoformat(f"{day}T23:59:59+00:00")
    if fine:  # it is valid on its last day; what had expired before is in the verdict
        assert promote(spec, by="Grace", now=now, folder=tmp_path).recorded
    else:
        assert reasons(lambda: promote(spec, by="Grace", now=now, folder=tmp_path))[0] == 3


def test_attestations_are_found_wherever_a_promise_holds_them(tmp_path):
    said = "{says: x, by: Ada, on: 2026-01-05, expires: 2026-02-01}"
    more = f"owner: {{name: Desk, support: {said}}}\ngovernance:\n  retention: {said}\n  lawful_basis: {said}\n"
    spec = Spec.load(write_pilot(tmp_path / "tiny", more=more + f"not_applicable:\n  fairness: {said}\n"))
    assert sorted(at for at, _ in module._stated(spec)) == [
        "governance.lawful_basis",
        "governance.retention",
        "not_applicable.fairness",
        "owner.support",
    ]


def test_role_that_is_not_asked_for_is_recorded_and_does_not_count(tmp_path, spec):
    own = Spec.load(write_pilot(tmp_path / "own", name="own"))
    assert needed(own) == ("owner",) and needed(spec) == ("owner", "compliance")
    run = a_run(tmp_path, own, 1)
    sign(own, role="compliance", by="Mary", now=NOW, folder=tmp_path)
    assert reasons(lambda: promote(own, by="Grace", now=NOW, folder=tmp_path)) == (
        3,
        [f"owner has not signed. Next: p2p sign own --as owner --by NAME --run {run.name}"],
    )
    sign(own, role="owner", by="Ada", now=NOW, folder=tmp_path)
    assert len(promote(own, by="Grace", now=NOW, folder=tmp_path).signatures) == 1


def test_signatures_under_another_run_do_not_count(tmp_path, spec):
    a_run(tmp_path, spec, 1)
    by_all(tmp_path, spec)
    a_run(tmp_path, spec, 2)
    assert reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))[0] == 3
    assert promote(spec, by="Grace", run="1", now=NOW, folder=tmp_path).run.startswith("0001")


# ---- markets


def test_markets_that_pass_are_promoted_alone(tmp_path, spec):
    a_run(tmp_path, spec, 1, a_card("block", markets=MARKETS))
    code, said = reasons(lambda: promote(spec, by="Grace", markets=["DE"], now=NOW, folder=tmp_path))
    assert code == 3 and len(said) == 2  # signatures are asked for all the same
    by_all(tmp_path, spec)
    code, said = reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))
    assert code == 1 and "--market DE --market AT" in said[0]
    made = promote(spec, by="Grace", markets=["DE", "AT", "DE"], now=NOW, folder=tmp_path)
    assert made.markets == ("DE", "AT") and made.verdict == "block" and promoted(spec, tmp_path) == made
    assert promote(spec, by="Grace", markets=["DE"], now=NOW, folder=tmp_path).recorded
    assert history(tmp_path)["promoted"].tolist() == ["DE"]


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (["DE", "FR"], 3, ["market FR is hold: 210 more rows. Those that pass: DE, AT"]),
        (["IE", "FR"], 1, ["market IE is block", "market FR is hold"]),
        (["DEE"], 2, ["the card knows no market 'DEE'. Did you mean 'DE'", "DE, AT"]),
        ([], 2, ["markets names none"]),
    ],
)
def test_market_that_does_not_pass_is_refused_with_those_that_do(tmp_path, spec, asked, code, says):
    a_run(tmp_path, spec, 1, a_card("hold", markets=MARKETS))
    by_all(tmp_path, spec)
    got, said = reasons(lambda: promote(spec, by="Grace", markets=asked, now=NOW, folder=tmp_path))
    assert got == code and all(s in " ".join(said) for s in says)


@pytest.mark.parametrize("markets", [None, [], "DE", {"DE": "promote"}])
def test_card_without_markets_says_why(tmp_path, spec, markets):
    a_run(tmp_path, spec, 1, a_card(markets=markets))
    by_all(tmp_path, spec)
    code, said = reasons(lambda: promote(spec, by="Grace", markets=["DE"], now=NOW, folder=tmp_path))
    assert code == 2 and "because no column has the role market" in said[0]


# ---- the chain


def test_what_counts_runs_counts_only_runs(top, spec):
    first = a_run(top, spec, 1, a_card("hold"))
    by_all(top, spec)
    a_run(top, spec, 2)
    by_all(top, spec)
    promote(spec, by="Grace", now=NOW, folder=top)
    store = Store(top, "tiny")
    assert [e.get("kind", "run") for e in store.chain()] == ["run", "signature", "signature"] * 2 + ["promotion"]
    chain = store.manifests()
    assert len(chain) == 2 and look_at(chain, "other", chain[0]["data"], "m") == 3
    assert len(history(top)) == 2 and len(frame(top)) == 0 and trend(top).table["run"].nunique() == 0
    found = noticed.verdict_changes(store, spec, now=datetime.now(UTC))
    assert [(n.facts["before"], n.facts["after"]) for n in found] == [("hold", "promote")]
    told = show(first)
    assert told.manifest == chain[0] and [e["role"] for e in told.approval] == ["owner", "compliance"] and verify(top) == []
    assert set(told.files[told.files["file"].str.startswith("approval/")]["state"]) == {"there"}


@given(which=st.integers(0, 5), deed=st.sampled_from(["remove", "change", "mend", "tear", "swap"]))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@example(which=5, deed="remove")  # the last one, which no other names
@example(which=5, deed="mend")
def test_no_entry_of_the_chain_is_removed_or_altered_unseen(tmp_path_factory, which, deed):
    home = tmp_path_factory.mktemp("chain")
    top, spec = home / "runs", Spec.load(write_pilot(home / "pilot", more=SUPPORT + BOTH))
    a_run(top, spec, 1)
    by_all(top, spec)
    a_run(top, spec, 2)
    sign(spec, role="owner", by="Ada", now=NOW, folder=top)
    promote(spec, by="Grace", run="1", now=NOW, folder=top)
    assert verify(top) == []
    links = sorted((top / "tiny" / "manifests").glob("*.json"))
    assert len(links) == 6
    body = {k: v for k, v in json.loads(links[which].read_bytes()).items() if k != "hash"} | {"by": "Eve"}
    if deed == "remove":
        links[which].unlink()
    elif deed == "swap":
        links[which].write_bytes(links[which - 1].read_bytes())
    else:
        new = {"change": json.dumps(body | {"hash": "x"}), "mend": json.dumps(body | {"hash": hash_json(body)}), "tear": "{"}
        links[which].write_text(new[deed], encoding="utf-8")
    assert verify(top)
    for do in (
        lambda: signatures(spec, top),
        lambda: promoted(spec, top),
        lambda: sign(spec, role="owner", by="Bob", now=NOW, folder=top),
        lambda: promote(spec, by="Bob", run="1", now=NOW, folder=top),
        lambda: prune(top, keep=1),
    ):
        with pytest.raises(RunError):
            do()


@pytest.mark.parametrize("deed", ["remove", "change", "tear", "add"])
def test_copy_of_an_entry_in_its_run_is_checked_too(tmp_path, spec, deed):
    run = a_run(tmp_path, spec, 1)
    by_all(tmp_path, spec)
    copy = run / "approval" / "000002.json"
    if deed == "remove":
        copy.unlink()
    elif deed == "add":
        write_json(run / "approval" / "000009.json", json.loads(copy.read_bytes()) | {"number": 9})
    else:
        copy.write_text(copy.read_text(encoding="utf-8").replace("Ada", "Eve") if deed == "change" else "{", encoding="utf-8")
    kind = {"remove": "missing", "tear": "torn"}.get(deed, "chain")
    assert [(f.kind, f.run) for f in verify(tmp_path)] == [(kind, run.name)]
    assert reasons(lambda: promote(spec, by="Grace", now=NOW, folder=tmp_path))[0] == 4


def test_kill_between_entry_and_copy_is_mended_by_the_next_one(tmp_path, spec, monkeypatch):
    run = a_run(tmp_path, spec, 1)
    with monkeypatch.context() as m:
        m.setattr(
            Store,
            "mend",
            lambda self, chain: (_ for _ in ()).throw(KeyboardInterrupt) if len(chain) == 1 and "role" in chain[0] else None,
        )
        with pytest.raises(KeyboardInterrupt):
            sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path)
    assert [f.kind for f in verify(tmp_path)] == ["missing"]
    a_run(tmp_path, spec, 2)  # whoever adds the next entry
    assert (run / "approval" / "000002.json").is_file() and verify(tmp_path) == []


def test_kill_between_entry_and_copy_is_no_reason_to_refuse_the_same_signature(tmp_path, spec):
    run = a_run(tmp_path, spec, 1)
    made = sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path)
    (run / "approval" / "000002.json").unlink()
    again = sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path)
    assert again.number == made.number and not again.recorded and verify(tmp_path) == []


def _signer(top: str, home: str, name: str) -> None:
    sign(Spec.load(home), role="owner", by=name, now=NOW, folder=top)


def test_people_who_sign_at_once_all_land(tmp_path, spec):
    a_run(tmp_path, spec, 1)
    names = [f"Person {i}" for i in range(6)]
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_signer, args=(str(tmp_path), str(spec.folder), n)) for n in names]
    for p in started:
        p.start()
    for p in started:
        p.join(60)
    assert [p.exitcode for p in started] == [0] * 6
    assert sorted(s.by for s in signatures(spec, tmp_path)) == names and verify(tmp_path) == []


def test_a_run_under_way_is_waited_for_and_then_told(tmp_path, spec, monkeypatch):
    a_run(tmp_path, spec, 1)
    monkeypatch.setattr(module, "WAIT", 0.3)
    with Store(tmp_path, "tiny").lock(), pytest.raises(RunError, match="another run of this pilot is under way"):
        sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path)
    assert sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path).recorded


def test_card_that_changes_while_it_is_looked_at_is_not_signed(tmp_path, spec, monkeypatch):
    run, looked = a_run(tmp_path, spec, 1), verify

    def slow(*given: Any) -> Any:
        out = looked(*given)
        (run / "scorecard.json").write_text(json.dumps(a_card("block")), encoding="utf-8")
        return out

    monkeypatch.setattr(module, "verify", slow)
    with pytest.raises(RunError, match="changed while it was looked at"):
        sign(spec, role="owner", by="Ada", now=NOW, folder=tmp_path)
    assert len(Store(tmp_path, "tiny").chain()) == 1


# ---- pruning


def test_pruning_keeps_the_run_last_promoted_and_the_cards_that_were_signed(top, spec):
    made = [a_run(top, spec, i) for i in range(1, 6)]
    by_all(top, spec, "1")
    promote(spec, by="Grace", run="1", now=NOW, folder=top)
    by_all(top, spec, "2")
    promote(spec, by="Grace", run="2", now=NOW, folder=top)
    sign(spec, role="product", by="Pat", run="3", now=NOW, folder=top)
    said = prune(top, keep=1, dry_run=True, now=NOW)
    table = prune(top, keep=1, now=NOW)
    assert said["why"].tolist() == table["why"].tolist()
    assert table["action"].tolist() == ["pruned", "stays", "pruned", "pruned", "stays"]
    why = table["why"].tolist()
    assert "card stays, signed by owner, compliance" in why[0] and "last promoted" in why[1] and "signed by product" in why[2]
    assert why[3] == "not kept by the policy"
    for run, there in zip(made, ["card", "all", "card", "", "all"], strict=True):
        assert (run / "scorecard.json").exists() == (run / "scorecard.html").exists() == bool(there)
        assert (run / "evidence" / "missing.parquet").exists() == (run / "scorecard.ipynb").exists() == (there == "all")
    assert verify(top) == [] and all(s.holds for s in signatures(spec, top))
    assert history(top)["promoted"].tolist() == ["earlier", "yes", "", "", ""]
    assert set(prune(top, keep=1, now=NOW)["action"]) == {"stays"}
    code, said = reasons(lambda: promote(spec, by="Grace", run="1", now=NOW, folder=top))
    assert code == 4 and "pruned" in said[0]


# ---- text from people


@given(text=st.text(st.characters(codec=None), max_size=300))
@example(text=HOSTILE)
@example(text="x" * 10_000)
@example(text="\ud800 lone")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_names_and_notes_are_harmless_and_bounded(tmp_path_factory, text):
    home = tmp_path_factory.mktemp("names")
    spec = Spec.load(write_pilot(home / "pilot", more=SUPPORT + BOTH))
    a_run(home / "runs", spec, 1)
    sign(spec, role="owner", by="A" + text, note=text, now=NOW, folder=home / "runs")
    (found,) = signatures(spec, home / "runs")
    for said, most in ((found.by, 200), (found.note, 1000)):
        assert len(said) <= 9 * most + 40 and len(said.splitlines()) <= 1
        assert not [c for c in said if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\u200c\u200d"]
    assert not sign(spec, role="owner", by="A" + text, now=NOW, folder=home / "runs").recorded
    assert verify(home / "runs") == []


def test_command_line_shows_hostile_text_on_one_line(tmp_path, spec, p2p):
    a_run(tmp_path, spec, 1, a_card("hold", HOSTILE, [{"market": HOSTILE, "verdict": "hold", "reason": HOSTILE}]))
    outs = [
        p2p("sign", spec.folder, "--as", "owner", "--by", HOSTILE, "--note", HOSTILE * 100, "--runs", tmp_path),
        p2p("sign", spec.folder, "--list", "--runs", tmp_path),
        p2p("promote", spec.folder, "--by", HOSTILE, "--market", HOSTILE, "--market", HOSTILE + "x", "--runs", tmp_path),
        p2p("promote", spec.folder, "--by", HOSTILE, "--runs", tmp_path),
        p2p("sign", spec.folder, "--as", "owner", "--by", "A", "--run", HOSTILE, "--runs", tmp_path),
        p2p("runs", "list", "--runs", tmp_path),
        p2p("runs", "show", "tiny", "--runs", tmp_path),
    ]
    assert [code for code, _, _ in outs] == [0, 0, 2, 3, 2, 0, 0]
    for _, out, err in outs:
        said = out + err
        assert (
            not [c for c in said if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
            and max(map(len, said.splitlines())) < 1500
        )


# ---- commands


def test_commands_sign_list_and_promote(tmp_path, spec, p2p):
    run = a_run(tmp_path, spec, 1)
    at = ("--runs", tmp_path)
    code, _, err = p2p("sign", spec.folder, *at)
    assert code == 2 and "--as ROLE and --by NAME missing" in err
    code, out, _ = p2p("sign", spec.folder, "--list", *at)
    assert code == 0 and "Nobody has signed" in out
    assert "signed" not in p2p("runs", "list", *at)[1]
    code, _, err = p2p("promote", spec.folder, "--by", "Grace", *at)
    assert code == 3 and "owner has not signed" in err and "compliance has not signed" in err
    code, out, _ = p2p("sign", spec.folder, "--as", "owner", "--by", "Ada", *at)
    assert code == 0 and "signed as owner by Ada" in out and f"--as compliance --by NAME --run {run.name}" in out
    code, out, _ = p2p("sign", spec.folder, "--as", "owner", "--by", "Ada", *at)
    assert code == 0 and "Ada had signed this card as owner before" in out
    code, out, _ = p2p("sign", "tiny", "--as", "product", "--by", "Pat", *at)  # by name, where its promise is not at hand
    assert code == 0 and "signed as product by Pat" in out
    code, out, _ = p2p("sign", spec.folder, "--as", "product", "--by", "Pia", *at)
    assert "asks for owner and compliance: this signature is recorded and does not count" in out
    code, out, _ = p2p("sign", spec.folder, "--as", "compliance", "--by", "Mary", *at)
    assert "Next: p2p promote" in out
    code, out, _ = p2p("promote", spec.folder, "--by", "Grace", *at)
    assert code == 0 and "everywhere, by Grace; 2 signatures" in out
    assert "was promoted so before, by Grace" in p2p("promote", spec.folder, "--by", "Bob", *at)[1]
    code, out, _ = p2p("sign", spec.folder, "--list", *at)
    assert out.count("holds") == 4 and out.count("not asked for") == 2 and f"Promoted: run {run.name} everywhere" in out
    said = json.loads(p2p("sign", spec.folder, "--list", "--json", *at)[1])
    assert [s["by"] for s in said["signatures"]] == ["Ada", "Pat", "Pia", "Mary"] and said["promoted"]["run"] == run.name
    out = p2p("runs", "list", *at)[1]
    assert "owner, product, compliance" in out and "yes" in out
    assert p2p("runs", "verify", *at)[0] == 0 and "signature owner: Ada" in p2p("runs", "show", "tiny", *at)[1]


def test_command_says_what_a_signature_under_a_hold_or_an_older_run_is_worth(tmp_path, spec, p2p):
    a_run(tmp_path, spec, 1, a_card("hold"))
    newest = a_run(tmp_path, spec, 2)
    _, out, _ = p2p("sign", spec.folder, "--as", "owner", "--by", "Ada", "--run", "1", "--runs", tmp_path)
    assert (
        "The card says hold: this signature says that it was read" in out
        and f"A newer finished run is there: {newest.name}" in out
    )


@pytest.mark.parametrize(("verdict", "code"), [("block", 1), ("hold", 3)])
def test_exit_code_of_promote_is_that_of_the_verdict(tmp_path, spec, p2p, verdict, code):
    run = a_run(tmp_path, spec, 1, a_card(verdict))
    by_all(tmp_path, spec)
    assert p2p("promote", spec.folder, "--by", "Grace", "--runs", tmp_path)[0] == code
    assert p2p("promote", spec.folder, "--by", "Grace", "--run", "9", "--runs", tmp_path)[0] == 2
    (run / "scorecard.html").unlink()
    assert p2p("promote", spec.folder, "--by", "Grace", "--runs", tmp_path)[0] == 4
    (tmp_path / "tiny" / "manifests" / "000002.json").write_text("{", encoding="utf-8")
    code, _, err = p2p("promote", spec.folder, "--by", "Grace", "--runs", tmp_path)
    assert code == 4 and "000002.json: the chain of runs is broken here" in err
    assert p2p("sign", spec.folder, "--list", "--runs", tmp_path)[0] == 4
