"""The loops that everything waits for: numpy, numba and a slow reader agree to the last bit, and so do whole corruptions."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed import KINDS, NAMES, made, promise, sure
from trying import REFERENCE, corrupt, entries, groups, same

from pilot_to_prod.scenarios import Rows, noise
from pilot_to_prod.scenarios import _kernels as kernels
from pilot_to_prod.scenarios import _select as select
from pilot_to_prod.scenarios._draws import Draws, Keyed, key_hashes
from pilot_to_prod.scenarios._select import Pool, Tally, asked_of, cut_at
from pilot_to_prod.scenarios._slips import Slips
from pilot_to_prod.scenarios._text import split_words

quick = settings(deadline=None, max_examples=40, derandomize=True, database=None)
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed: pip install 'pilot-to-prod[speed]'"
)
PATHS = ["numpy", pytest.param("numba", marks=needs_numba)]
WORD, GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15


def mixed_slowly(x: int) -> int:
    "SplitMix64's finaliser, one number at a time."
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & WORD
    return x ^ (x >> 31)


def bits(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


# mixing and hashing


def test_mixing_is_pinned():
    "Published by its authors: the first outputs of SplitMix64 from the seed 1234567."
    states = np.array([(1234567 + i * GOLDEN) & WORD for i in range(1, 6)], np.uint64)
    assert kernels.mix(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("n", [0, 1, 5, (1 << 14) - 1, 1 << 14, (1 << 14) + 1])
def test_mixing_leaves_its_input_alone_and_any_number_alike(n):
    values = bits(n, n)
    before = values.copy()
    assert kernels.mix(values)[-4:].tolist() == [mixed_slowly(x) for x in values[-4:].tolist()]
    assert (values == before).all()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n", [0, 1, 7, (1 << 14) + 3])
def test_units_are_hashed_as_a_slow_reader_would(path, n, monkeypatch):
    monkeypatch.setenv("P2P_KERNELS", path)
    rows, column, random = bits(1, 50), np.uint64(2**64 - 5), np.random.default_rng(n)
    sizes = random.multinomial(n, random.dirichlet(np.full(50, 0.3)))  # some rows have no unit, some have many
    opens, several = np.concatenate([[0], np.cumsum(sizes)]), bits(2, n)
    row = np.repeat(np.arange(50), sizes)
    unit = np.arange(n) - opens[row]
    some, few = random.random(n) < 0.7, np.sort(random.integers(0, n, n // 5)) if n else np.zeros(0, np.int64)

    def slow(row: int, unit: int) -> int:
        return mixed_slowly((row + int(column) + (unit + 1) * GOLDEN) & WORD)

    alone, words = np.zeros(n, np.int64), rows[row]
    found = {
        "rows": (kernels.unit_hashes(several, column), several, alone),
        "some rows": (kernels.unit_hashes(several, column, None, some), several[some], alone[some]),
        "few rows": (kernels.unit_hashes(several, column, None, few), several[few], alone[few]),
        "words": (kernels.unit_hashes(rows, column, opens), words, unit),
        "some words": (kernels.unit_hashes(rows, column, opens, some), words[some], unit[some]),
        "few words": (kernels.unit_hashes(rows, column, opens, few), words[few], unit[few]),
        "words in any order": (kernels.unit_hashes(rows, column, opens, few[::-1]), words[few[::-1]], unit[few[::-1]]),
    }
    for what, (got, own, which) in found.items():
        assert got.dtype == np.uint64 and len(got) == len(own), what
        for part in (slice(0, 40), slice(-40, None)):
            assert got[part].tolist() == [slow(r, u) for r, u in zip(own[part].tolist(), which[part].tolist(), strict=True)], (
                what
            )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n", [1, 2, 63, 5_000, (1 << 14) + 3])
def test_the_lowest_hashes_are_those_of_all_sorted(path, n, monkeypatch):
    monkeypatch.setenv("P2P_KERNELS", path)
    random = np.random.default_rng(n)
    opens = np.concatenate([[0], np.cumsum(random.multinomial(n, np.full(40, 1 / 40)))])
    some = random.random(n) < 0.6
    some[0] = True
    for keyed in (
        Keyed(bits(n, n), np.uint64(7)),
        Keyed(bits(n, n), np.uint64(7), None, some),
        Keyed(bits(n, 40), np.uint64(9), opens),
        Keyed(bits(n, 40), np.uint64(9), opens, some),
        Keyed(bits(n, 40), np.uint64(9), opens).some(np.flatnonzero(some)),
    ):
        order = np.sort(kernels.unit_hashes(*keyed._of))
        for k in sorted({1, 2, len(order) // 10, len(order) // 2, len(order) - 1, len(order)} & set(range(1, len(order) + 1))):
            edge, inside = keyed.lowest(k)
            assert edge == order[k - 1] and inside.sum() == k
            assert (keyed.hashes[inside] <= edge).all()
            del keyed.__dict__["hashes"]  # as if nothing had asked for all of them


def test_hashes_that_are_not_uniform_are_cut_all_the_same(monkeypatch):
    "The window where the k-th must lie is a guess; what is not in it is found by sorting."
    monkeypatch.setattr(kernels, "_hashed", lambda rows, *_: iter([(0, rows.copy())]))
    monkeypatch.setenv("P2P_KERNELS", "numpy")
    low = np.arange(5_000, dtype=np.uint64)
    assert kernels.lowest(low, np.uint64(0), None, None, 5_000, 2_500) is None
    keyed = Keyed(low, np.uint64(0))
    edge, inside = keyed.lowest(2_500)
    assert edge == 2_499 and inside.tolist() == [True] * 2_500 + [False] * 2_500


@quick
@given(pieces=st.lists(st.binary(max_size=40), max_size=8), seed=st.integers(0, 1000))
def test_a_piece_has_its_hash_wherever_it_stands(pieces, seed):
    random = np.random.default_rng(seed)
    data, starts = b"", []
    for p in pieces:
        data += random.bytes(int(random.integers(0, 20)))
        starts.append(len(data))
        data += p
    data += random.bytes(int(random.integers(0, 9)))
    found = kernels.hash_bytes(
        np.frombuffer(data, np.uint8), np.array(starts, np.int64), np.array([len(p) for p in pieces], np.int64)
    ).tolist()
    alone = [kernels.hash_bytes(np.frombuffer(p, np.uint8), np.array([0]), np.array([len(p)]))[0] for p in pieces]
    assert found == alone == [hashed_slowly(p) for p in pieces]


def hashed_slowly(piece: bytes) -> int:
    out = GOLDEN
    for i in range(0, len(piece), 8):
        out = mixed_slowly(out ^ int.from_bytes(piece[i : i + 8], "little"))
    return mixed_slowly((out + len(piece)) & WORD)


def test_pieces_that_differ_by_what_has_no_shape_have_other_hashes():
    keys = ["", "\x00", "\x00\x00", "a", "a\x00", "\x00a", "a\x00b", "ab", "12345678", "12345678\x00", " ", "é", "e\u0301"]
    assert len(set(key_hashes(keys).tolist())) == len(keys)


@quick
@given(
    st.lists(
        st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([10**k + d for k in range(19) for d in (-1, 0, 1)])),
        min_size=1,
        max_size=12,
    )
)
def test_whole_numbers_have_the_hash_of_their_digits(numbers):
    as_text = key_hashes([str(n) for n in numbers]).tolist()
    assert key_hashes(np.array(numbers, np.uint64)).tolist() == as_text
    small = [n for n in numbers if n < 2**31]
    for dtype in ("int64", "int32", "uint32"):
        assert key_hashes(np.array(small, dtype)).tolist() == key_hashes([str(n) for n in small]).tolist()


def test_negative_keys_have_the_hash_of_their_digits_too():
    assert key_hashes(np.array([-1, 0, -(2**63)])).tolist() == key_hashes(["-1", "0", str(-(2**63))]).tolist()
    assert len(key_hashes(np.array([], np.int64))) == len(key_hashes([])) == 0


# finding the cut

SHAPES = {
    "random": lambda r, n: r.integers(0, 2**64, n, dtype=np.uint64),
    "few values": lambda r, n: r.integers(0, 3, n).astype(np.uint64),
    "one value": lambda r, n: np.full(n, 7, np.uint64),
    "sorted": lambda r, n: np.arange(n, dtype=np.uint64),
    "reversed": lambda r, n: np.arange(n, dtype=np.uint64)[::-1],
    "what a sample misses": lambda r, n: np.where(np.arange(n) % max(n // 2048, 1) == 0, 2**40, r.integers(0, 9, n)).astype(
        np.uint64
    ),
    "at the ends": lambda r, n: np.where(r.random(n) < 0.5, 0, 2**64 - 1).astype(np.uint64),
    "floats": lambda r, n: r.normal(size=n),
    "endless floats": lambda r, n: np.where(r.random(n) < 0.3, np.inf, r.normal(size=n)),
    "integers": lambda r, n: r.integers(-(2**62), 2**62, n),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kth_smallest_is_the_kth_of_the_sorted(path, shape, monkeypatch):
    monkeypatch.setenv("P2P_KERNELS", path)
    for n in (1, 2, 100, 16_384, 16_385, 30_011):
        values = SHAPES[shape](np.random.default_rng(n), n)
        before, order = values.copy(), np.sort(values)
        for k in sorted({1, 2, n // 10, n // 3, n // 2, n - 1, n} & set(range(1, n + 1))):
            assert kernels.kth_smallest(values, k) == order[k - 1] == np.partition(values, k - 1)[k - 1], (n, k)
        assert (values == before).all()


def pools(seed: int, sizes: list[int], weighted: bool) -> list[Pool]:
    random = np.random.default_rng(seed)
    weight = [random.choice([1e-300, 0.5, 1.0, 2.0, 1e9], n) if weighted else None for n in sizes]
    return [Pool(n, None, Keyed.known(bits(seed + i, n)), w) for i, (n, w) in enumerate(zip(sizes, weight, strict=True))]


@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("kept", [0, 5, 300])
@quick
@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_a_cut_found_in_two_passes_is_that_of_one(weighted, kept, sizes, seed):
    severities = (0.0, 0.003, 0.1, 0.5, 0.501, 1.0)
    batches = pools(seed, sizes, weighted)
    rank, hashes = (np.concatenate(found) for found in zip(*((p.rank, p.keyed.hashes) for p in batches), strict=True))
    whole = {s: cut_at(rank, Keyed.known(hashes).some, asked_of(s, len(rank))) for s in severities}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "KEPT", kept)
        tally = Tally(severities)
        for p in batches:
            tally.add(p)
        if tally.needs():
            for p in batches:
                tally.look(p)
        for s in severities:
            assert tally.cut(s) == whole[s]
            assert sum(int(p.inside(tally.cut(s)).sum()) for p in batches) == asked_of(s, len(rank))
    assert tally.eligible == tally.total == sum(sizes)


@pytest.mark.parametrize("first", ["low", "high", "alike"])
def test_a_cut_that_lies_elsewhere_than_the_first_rows_say_is_found_in_a_second_pass(first, monkeypatch):
    monkeypatch.setattr(select, "KEPT", 500)
    ranks = np.sort(bits(3, 4_000))
    order = {"low": ranks, "high": ranks[::-1], "alike": np.random.default_rng(0).permutation(ranks)}[first]
    batches = [Pool(400, None, Keyed.known(order[i : i + 400])) for i in range(0, 4_000, 400)]
    tally = Tally((0.2, 0.5, 1.0))
    for p in batches:
        tally.add(p)
    assert tally.needs() == (first != "alike")
    for p in batches:
        tally.look(p)
    assert [tally.cut(s).rank for s in (0.2, 0.5, 1.0)] == [ranks[799], ranks[1_999], ranks[3_999]]


@pytest.mark.parametrize(
    "name", ["typos", "mnar", "mcar", "negation", "instance_hard_labels", "partial_batch", "block_missing"]
)
def test_a_set_too_large_to_keep_is_bound_alike(name, monkeypatch):
    fitted = made(name, *(groups(name)[0] if KINDS[name].unit not in ("event", "label") else ())).fit(REFERENCE, promise())
    parts = [Rows(p, "id", confidence=sure(p)) for p in (REFERENCE.iloc[i : i + 7] for i in range(0, 48, 7))]
    put = (lambda f: f.sort_index(kind="stable")) if KINDS[name].unit == "event" else (lambda f: f)
    monkeypatch.setattr(select, "KEPT", 3)
    bound = fitted.bind(parts, seed=4, severities=[0.1, 0.5, 1.0])
    for s in (0.1, 0.5, 1.0):
        whole = corrupt(fitted, REFERENCE, 4, s).frame
        assert same(put(pd.concat([bound.corrupt(p, s).frame for p in parts])), put(whole))


# text


@pytest.mark.parametrize("path", PATHS)
@quick
@given(data=st.data())
def test_spliced_bytes_are_those_of_a_slow_reader(path, data):
    texts = data.draw(st.lists(st.binary(max_size=12), max_size=6))
    edits, out = [], []
    for r, text in enumerate(texts):
        marks = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        at, pieces = 0, []
        for a, b in zip(marks[::2], marks[1::2], strict=False):
            new = data.draw(st.binary(max_size=5))
            edits.append((r, a, b, new))
            pieces += [text[at:a], new]
            at = b
        out.append(b"".join(pieces) + text[at:])
    begins = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    row = np.array([e[0] for e in edits], np.int64)
    starts, ends = (begins[row] + np.array([e[k] for e in edits], np.int64) for k in (1, 2))
    new = np.frombuffer(b"".join(e[3] for e in edits), np.uint8)
    cuts = np.cumsum([0, *(len(e[3]) for e in edits)]).astype(np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2P_KERNELS", path)
        got, offsets = kernels.spliced(np.frombuffer(b"".join(texts), np.uint8), begins, row, starts, ends, new, cuts)
    assert [got.tobytes()[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)] == out


@pytest.mark.parametrize("path", PATHS)
@quick
@given(words=st.lists(st.lists(st.booleans(), min_size=1, max_size=9), max_size=8), gaps=st.integers(0, 3))
def test_marked_bytes_are_counted_and_found(path, words, gaps):
    typed, start, end = [], [], []
    for w in words:
        typed += [True] * gaps  # between words; they count for none
        start.append(len(typed))
        typed += w
        end.append(len(typed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2P_KERNELS", path)
        data, marks = np.array(typed, np.uint8) * 7, np.arange(256) == 7
        found = kernels.Marked(data, marks, np.array(start, np.int64), np.array(end, np.int64))
        assert found.any.tolist() == [any(w) for w in words]
        asked = [(i, n) for i, w in enumerate(words) for n in range(sum(w))]
        which = np.array([i for i, _ in asked], np.int64)
        spots = [[start[i] + k for k, marked in enumerate(w) if marked] for i, w in enumerate(words)]
        share = np.array([(n + 0.5) / len(spots[i]) for i, n in asked])
        assert found.pick(which, share).tolist() == [spots[i][n] for i, n in asked]


@pytest.mark.parametrize("path", PATHS)
@quick
@given(rows=st.lists(st.text("ab \t\n", max_size=30), max_size=8), block=st.sampled_from([4, 7, 1 << 16]))
def test_runs_are_the_words_that_splitting_finds(path, rows, block):
    data, offsets = np.frombuffer("".join(rows).encode(), np.uint8), np.cumsum([0, *map(len, rows)]).astype(np.int64)
    ink = np.array([chr(c) not in " \t\n" for c in range(256)], np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2P_KERNELS", path)
        patch.setattr(kernels, "_BYTES", block)
        start, end, opens = kernels.runs(data, offsets, ink)
        row = kernels.rows_of(opens, np.arange(len(start)))
    words = [("".join(rows)[a:b], r) for a, b, r in zip(start.tolist(), end.tolist(), row.tolist(), strict=True)]
    assert words == [(w, r) for r, text in enumerate(rows) for w in text.split()]
    assert np.diff(opens).tolist() == [len(text.split()) for text in rows]


@quick
@given(data=st.binary(max_size=40), low=st.integers(0, 255), size=st.integers(0, 255), block=st.sampled_from([3, 1 << 16]))
def test_positions_are_those_of_the_bytes_asked_for(data, low, size, block):
    high = min(low + size, 255)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_BYTES", block)
        assert kernels.positions(np.frombuffer(data, np.uint8), low, high).tolist() == [
            i for i, b in enumerate(data) if low <= b <= high
        ]


@quick
@given(st.lists(st.binary(max_size=9), max_size=6), st.data())
def test_gathered_pieces_stand_one_after_the_other(pieces, data):
    text, begins = b"".join(pieces), np.cumsum([0, *map(len, pieces)])
    order = data.draw(st.permutations(range(len(pieces))))
    got, offsets = kernels.gathered(
        np.frombuffer(text, np.uint8),
        begins[:-1][order].astype(np.int64),
        np.array([len(pieces[i]) for i in order], np.int64),
    )
    assert [got.tobytes()[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)] == [pieces[i] for i in order]


LETTERS = "abcxyzABZ éäößÄ漢字ÑKİıŉǆ ,.1'日ж Яґїўαώς€\x00e\u0301👍𝒳\u200dกा한ش"
TYPED = st.lists(st.one_of(st.text(LETTERS, max_size=20), st.text("abc DEFg.,'-", max_size=20)), min_size=1, max_size=4)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("layout", ["en", "de", "ru", "fr", "tr", "el", "uk", "he", "bg_phonetic"])
@quick
@given(texts=TYPED, seed=st.integers(0, 2**32))
def test_slips_over_bytes_are_those_over_strings(path, layout, texts, seed):
    words, params, kernel = split_words(texts), {"layout": layout}, Slips(noise._layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2P_KERNELS", path)
        able = kernel.eligible(words, params)
        assert able.tolist() == KINDS["typos"].eligible(words.strings(), None, layout=layout)
        which = np.flatnonzero(able)
        draws = Draws(bits(seed, len(which)))
        start, end, data, offsets = kernel.edits(words, which, draws, params)
    old, new = words.data.tobytes(), data.tobytes()
    cuts = zip(words.start[which], start, end, words.end[which], offsets[:-1], offsets[1:], strict=True)
    got = [(old[a:b] + new[x:y] + old[c:d]).decode() for a, b, c, d, x, y in cuts]
    assert got == KINDS["typos"].change(words.strings(which), draws, None, layout=layout)


@pytest.mark.parametrize("layout", sorted(noise.keyboards()))
def test_every_layout_slips_over_bytes_as_over_strings(layout):
    keys = noise.keyboards()[layout]
    letters = [c for k in keys for c in (k, k.upper(), k.title())] + list("İıſßŉΐ日a")
    random = np.random.default_rng(5)
    words = split_words(["".join(random.choice(letters, random.integers(1, 6))) for _ in range(200)])
    kernel, params = Slips(noise._layout), {"layout": layout}
    which = np.flatnonzero(kernel.eligible(words, params))
    draws = Draws(bits(6, len(which)))
    start, end, data, offsets = kernel.edits(words, which, draws, params)
    old, new = words.data.tobytes(), data.tobytes()
    cuts = zip(words.start[which], start, end, words.end[which], offsets[:-1], offsets[1:], strict=True)
    got = [(old[a:b] + new[x:y] + old[c:d]).decode() for a, b, c, d, x, y in cuts]
    assert got == KINDS["typos"].change(words.strings(which), draws, None, layout=layout)
    assert len(which) > 150


# whole corruptions


@needs_numba
@pytest.mark.parametrize("name", [n for n in NAMES if KINDS[n].depth != "deep"])
def test_a_corruption_is_the_same_with_either(name, monkeypatch):
    fitted = made(name, *(() if KINDS[name].unit in ("event", "label") else groups(name)[0])).fit(REFERENCE, promise())
    hits = []
    for path in ("numpy", "numba"):
        monkeypatch.setenv("P2P_KERNELS", path)
        hits.append(corrupt(fitted, REFERENCE, seed=3))
    assert same(hits[0].frame, hits[1].frame)
    if KINDS[name].unit not in ("event", "schema"):
        assert entries(hits[0]) == entries(hits[1])


def test_an_unknown_choice_of_kernels_is_answered_with_those_that_are_known(monkeypatch):
    monkeypatch.setenv("P2P_KERNELS", "cuda")
    with pytest.raises(ValueError, match="P2P_KERNELS must be auto, numpy or numba; got 'cuda'"):
        corrupt(made("mcar", "price").fit(REFERENCE, promise()), REFERENCE)


def test_numba_that_is_asked_for_and_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pilot_to_prod.scenarios._compiled", raising=False)
    monkeypatch.setenv("P2P_KERNELS", "numba")
    with pytest.raises(ImportError, match=r"pip install 'pilot-to-prod\[speed\]'"):
        kernels.compiled(10**9)
    monkeypatch.setenv("P2P_KERNELS", "numpy")
    assert kernels.compiled(10**9) is None
    monkeypatch.delenv("P2P_KERNELS")
    assert kernels.compiled(10) is None
