"""The page of a card in a browser: anyone can read it, it fits, it fetches nothing, and text from data stays text.

Its look is approved by a person. After a change that is meant, look at the new pictures and approve them:

    P2P_APPROVE=1 python -m pytest tests/test_card_page.py -n 0 -k approved

That writes tests/snapshots anew: four small pictures, compared roughly since fonts differ, and the text of the page, compared exactly."""

import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import mistune
import numpy as np
import pytest
from big_card import CARDS, GATES, big, everything, made_anew
from junitparser import JUnitXml
from PIL import Image
from test_lab import CHROMIUM, FLAGS

from pilot_to_prod.card import Scorecard
from pilot_to_prod.card._render import html
from pilot_to_prod.spec import safe

HERE = Path(__file__).parent
SNAPSHOTS = HERE / "snapshots"
APPROVE = bool(os.environ.get("P2P_APPROVE"))  # read here: tests see no P2P_ variable of the machine
COMMAND = "P2P_APPROVE=1 python -m pytest tests/test_card_page.py -n 0 -k approved"
MOST = 500_000  # bytes of a page
SCHEMES, WIDTHS = ("light", "dark"), (390, 1280)

seen = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


class Looking:
    "A browser; pages of cards by what they are looked at with."

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.contexts: dict[tuple[str, bool, bool], Any] = {}
        self.pages: dict[tuple[str, str, bool, bool], Any] = {}
        self.requests: dict[Any, list[str]] = {}
        self.dialogs: list[str] = []

    def __call__(self, page: str, scheme: str = "light", width: int = 1280, *, scripts: bool = True, free: bool = False) -> Any:
        "A page in a browser; free: whatever policy it has against scripts is not asked, so that axe may run in it."
        key = (hashlib.sha256(page.encode()).hexdigest()[:16], scheme, scripts, free)
        if key not in self.pages:
            how = {"color_scheme": scheme, "java_script_enabled": scripts, "bypass_csp": free}
            if key[1:] not in self.contexts:
                self.contexts[key[1:]] = self.browser.new_context(**how)
            file = self.folder / f"{key[0]}.html"
            file.write_text(page, encoding="utf-8")
            made = self.pages[key] = self.contexts[key[1:]].new_page()
            asked = self.requests[made] = []
            made.on("request", lambda r: asked.append(r.url))
            made.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))
            made.goto(file.as_uri())
        self.pages[key].set_viewport_size({"width": width, "height": 900})
        return self.pages[key]


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    "`look(page, scheme, width)`: a page in the module's one browser."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield Looking(browser, tmp_path_factory.mktemp("cards"))
        finally:
            browser.close()


# ---- anyone can read it


def by_axe(page: Any) -> dict[str, Any]:
    from axe_playwright_python.sync_playwright import Axe

    return Axe().run(page).response


@seen
def test_axe_would_find_something(look: Looking) -> None:
    "So that its silence says something, in the dark too."
    spoilt = (
        CARDS["promoted"]()
        .html()
        .replace("</main>", '<button></button><p style="color:#444;background:#333">faint words</p></main>')
    )
    assert {"button-name", "color-contrast"} <= {v["id"] for v in by_axe(look(spoilt, "dark", free=True))["violations"]}


@seen
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CARDS)
def test_axe_finds_nothing(name: str, scheme: str, look: Looking) -> None:
    found = by_axe(look(CARDS[name]().html(), scheme, free=True))
    said = [
        f"{v['id']} ({v['impact']}, {len(v['nodes'])} elements): {v['help']}\n"
        + "\n".join(f"    {n['target']} {n['html'][:160]}\n      {n['failureSummary'][:400]}" for n in v["nodes"][:3])
        for v in found["violations"]
    ]
    assert found["passes"] and not said, "\n".join(said)


WIDER = """() => [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(e => { for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== 'visible') return false; return true })
  .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
SCROLLING = """() => [...document.querySelectorAll('body *')]
  .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
  .map(e => ({html: e.outerHTML.slice(0, 120), focusable: e.tabIndex >= 0, hasTable: !!e.querySelector('table')}))"""


@seen
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*CARDS, "one long word", "long words"])
def test_page_is_no_wider_than_the_window(name: str, width: int, look: Looking) -> None:
    words = {"one long word": "W" * 400, "long words": "Rechtsschutzversicherungsgesellschaften " * 8}
    page = look((everything(words[name]) if name in words else CARDS[name]()).html(), "light", width)
    sizes = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1], (sizes, page.evaluate(WIDER))
    scrolling = page.evaluate(SCROLLING)
    assert not [s for s in scrolling if not s["focusable"]]  # else nobody without a mouse sees the rest


# ---- it needs nothing


@seen
@pytest.mark.parametrize("name", CARDS)
def test_page_runs_no_script_and_asks_nobody(name: str, look: Looking) -> None:
    card = CARDS[name]().html()
    page, plain = look(card), look(card, scripts=False)
    assert page.inner_text("body") == plain.inner_text("body") and len(page.inner_text("body")) > 1000
    assert page.locator("script, iframe, object, embed, link[rel=stylesheet]").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => !a.name.startsWith('on')))"
    )
    for one in (page, plain):
        asked = look.requests[one]
        assert asked == [one.url] and one.url.startswith("file:")


@seen
@pytest.mark.parametrize(("name", "scheme"), [("everything", "light"), ("everything", "dark"), ("big", "light")])
def test_page_prints(name: str, scheme: str, look: Looking) -> None:
    card = CARDS[name]()
    page = look(card.html(), scheme)
    try:
        page.emulate_media(media="print")
        assert page.locator("h1").is_visible() and card.document["timing"]["sentence"] in page.inner_text("body")
        made = page.pdf()
    finally:
        page.emulate_media(media="screen")
    assert made.startswith(b"%PDF") and len(made) > 20_000


@seen
def test_big_card_names_every_gate_and_stays_small(look: Looking) -> None:
    card = big()
    page = card.html()
    names = [g["name"] for g in card.document["content"]["gates"] + card.document["timing"]["gates"]]
    assert len(names) >= GATES and len(page.encode()) < MOST
    words = " ".join((look(page).text_content("body") or "").split())
    assert not [n for n in names if n not in words]


# ---- text from data stays text

HOSTILE = {
    "plain": "plain words",
    "script": "<script>window.hit=1</script>",
    "image": '"><img src=x onerror=window.hit=1>',
    "apostrophe": "' onmouseover='window.hit=1' autofocus onfocus='window.hit=1",
    "link": "javascript:window.hit=1",
    "formula": '=HYPERLINK("http://x")',
    "at": "@SUM(1)",
    "bidi": "abc\u202ecba\u202c\u2066x\u2069",
    "nul": "a\x00b",
    "escape": "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "newline": "\n",
    "lines": "one\n| two |\r\n# three\n<b>four</b>\u2028five",
    "style": "</style><style>*{display:none}</style></title></svg></details>",
    "template": "{{7*7}}{% raw %}${7*7}",
    "markdown": "| x |[a](javascript:window.hit=1) ![b](x) `c` <b>\\|\\\\| ~~d~~ <!-- &amp;",
}
LONG = "Ж" * 2**19  # a megabyte
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
PIECES = ("mark", "wbr", "br", "text", "tspan")  # as many as a text has parts or lines
ELEMENTS = "() => [...document.querySelectorAll('*')].map(e => e.tagName.toLowerCase())"


def squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


@seen
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_text_in_the_browser(kind: str, look: Looking) -> None:
    in_the_browser(everything(HOSTILE[kind]), look)


def in_the_browser(card: Scorecard, look: Looking) -> None:
    "Nothing ran, nobody was asked, no element came or went, and the text is there to read."
    page = look(card.html())
    page.wait_for_timeout(50)  # until an image that is not there would have said so
    assert page.evaluate("typeof window.hit") == "undefined" and not look.dialogs
    asked = look.requests[page]
    assert asked == [page.url]
    forbidden = "script, img, iframe, object, embed, form, a[href^='javascript' i], a[href^='data' i], [style*='url(']"
    assert page.locator(forbidden).count() == 0
    words = page.text_content("body") or ""
    assert not CONTROL.search(words) and not CONTROL.search(page.title())
    elements = Counter(e for e in page.evaluate(ELEMENTS) if e not in PIECES)
    plain = Counter(e for e in look(everything("plain words").html()).evaluate(ELEMENTS) if e not in PIECES)
    assert elements == plain  # no text opens an element or ends one
    first = card.document["content"]["gates"][0]["name"]
    assert squeezed(safe(first, 300)) in squeezed(words)  # shown, and not computed
    assert page.locator("h1").is_visible()


@seen
@pytest.mark.parametrize("direction", ["שלום (1) עולם", "مرحبا 12% بالعالم"])
def test_text_of_the_other_direction_stays_in_its_place(direction: str, look: Looking) -> None:
    "An example's words turn nothing around beside them."
    page = look(everything(direction).html())
    assert page.get_by_text(f"{direction} where is my parcel").count() > 0
    assert page.evaluate(
        """words => {
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = []
          while (walk.nextNode()) if (walk.currentNode.data.includes(words)) found.push(walk.currentNode)
          return found.length > 0 && found.every(t => t.parentElement.closest('bdi, [dir=auto]'))
        }""",
        "where is my parcel",
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_text_in_junit(kind: str, tmp_path: Path) -> None:
    in_junit(everything(HOSTILE[kind]), tmp_path)


def in_junit(card: Scorecard, folder: Path) -> None:
    "As many suites and cases, with the same verdicts, and nothing but printable text."
    path = card.save(folder / "card.xml")
    assert path is not None
    root, plain = ET.parse(path).getroot(), ET.fromstring(everything("plain words").junit().encode())
    assert Counter(e.tag for e in root.iter()) == Counter(e.tag for e in plain.iter())
    counts = [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in JUnitXml.fromfile(str(path))]
    assert counts == [
        (s.name, s.tests, s.failures, s.errors, s.skipped) for s in JUnitXml.fromstring(everything("plain words").junit())
    ]
    said = [t for e in root.iter() for t in (*e.attrib.values(), e.text or "", e.tail or "")]
    assert not [t for t in said if CONTROL.search(t.strip("\n"))]


class Tags(HTMLParser):
    "Elements of a page, and where its links lead."

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.links += [v or "" for n, v in attrs if n in ("href", "src")]


def tables(text: str) -> list[list[int]]:
    "Cells of every row of every table."
    out: list[list[int]] = [[]]
    for line in text.split("\n"):
        bare = re.sub(r"\\.", "", line)
        if bare.startswith("|"):
            out[-1].append(bare.count("|") - 1)
        elif out[-1]:
            out.append([])
    return [t for t in out if t]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_text_in_markdown(kind: str) -> None:
    in_markdown(everything(HOSTILE[kind]).markdown())


def in_markdown(text: str) -> None:
    "The same tables, lines, elements and links."
    plain = everything("plain words").markdown()
    assert not CONTROL.search(text)
    assert tables(text) == tables(plain) and all(len(set(t)) == 1 for t in tables(text))
    assert text.count("\n") == plain.count("\n")
    # what a person's words could hold; tags of the page's own, such as details, are in both
    bare, own = re.sub(r"\\.", "", text), re.sub(r"\\.", "", plain)
    assert bare.count("<") == own.count("<")
    read = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
    found, same = Tags(str(read(text))), Tags(str(read(plain)))
    assert found.tags == same.tags and not [x for x in found.links if not x.startswith(("#", "https:"))]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_the_same_text_in_json(kind: str, tmp_path: Path) -> None:
    card = everything(HOSTILE[kind])
    found = Scorecard.load(card.save(tmp_path / "card.json") or "")
    assert found.document == card.document and found.html() == card.html()
    assert found.document["content"]["gates"][0]["name"].startswith(HOSTILE[kind])


@seen
def test_a_megabyte_of_text_is_cut(look: Looking, tmp_path: Path) -> None:
    "On the page, in Markdown and in JUnit; the document keeps what was said."
    card = everything(LONG)
    assert len(card.html().encode()) <= MOST
    in_the_browser(card, look)
    in_junit(card, tmp_path)
    in_markdown(card.markdown())
    assert len(card.markdown().encode()) < MOST and len(card.junit().encode()) < MOST
    assert card.document["content"]["gates"][0]["name"].startswith(LONG)


# ---- the same again

SAME = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from big_card import CARDS
out = {}
for name, card in CARDS.items():
    made = card()
    forms = {f: hashlib.sha256(getattr(made, f)().encode()).hexdigest() for f in ("html", "junit", "markdown", "json")}
    out[name] = forms | {n: made.document[n] for n in ("content_hash", "timing_hash")}
print(json.dumps(out))
"""


def test_same_inputs_give_the_same_bytes_in_other_processes() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    asked = [
        subprocess.Popen(
            [sys.executable, "-c", SAME, str(HERE)], stdout=subprocess.PIPE, text=True, env=environ | {"PYTHONHASHSEED": seed}
        )
        for seed in ("0", "4711")
    ]
    told = [p.communicate(timeout=120)[0] for p in asked]
    assert [p.returncode for p in asked] == [0, 0]
    one, other = (json.loads(t) for t in told)
    assert one == other and set(one) == set(CARDS)


def test_a_row_whose_label_alone_was_changed_says_so() -> None:
    document = json.loads(everything().json())
    row, curve = document["shown"]["examples"][0], document["content"]["curves"][0]
    says = "the label was changed, not the row"
    document["shown"]["examples"] = [row | {"scenario": curve["scenario"], "before": "a lamp", "after": "a lamp"}]
    for family, expected in (("labels", True), ("noise", False)):
        curve["family"] = family
        assert (says in html(document)) is expected


def test_same_inputs_give_the_same_bytes_in_one_process() -> None:
    one, other = everything(), made_anew()
    assert one is not other and one.html() == other.html() and one.json() == other.json()
    assert one.html() == html(json.loads(one.json()))  # a page is made from the document alone


# ---- approved by a person

SMALL, COARSE = 320, 64  # pixels across: of what is kept, of what is compared
TOLERANCE = 9.0  # mean absolute difference of grey values, of 255
STRETCH = 0.25  # by how much of its height a page may grow or shrink with other fonts


def small(picture: bytes) -> Image.Image:
    whole = Image.open(BytesIO(picture)).convert("RGB")
    return whole.resize((SMALL, max(1, round(whole.height * SMALL / whole.width))), Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> float:
    "Mean absolute difference of two pictures, both drawn small and grey; what one has and the other has not is all different."
    if abs(one.height / other.height - 1) > STRETCH:
        return 255.0
    size = (COARSE, max(1, round(other.height * COARSE / SMALL)))
    a, b = (np.asarray(i.convert("L").resize(size, Image.Resampling.BOX), float) for i in (one, other))
    return float(np.abs(a - b).mean())


def kept(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(32).save(path, optimize=True)


@seen
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_look_is_the_approved_one(scheme: str, width: int, look: Looking, tmp_path: Path) -> None:
    page = look(everything().html(), scheme, width)
    made, approved = small(page.screenshot(full_page=True)), SNAPSHOTS / f"card-{width}-{scheme}.png"
    if APPROVE:
        kept(made, approved)
    aside = tmp_path / approved.name
    how = f"The new picture is {aside}. Where it is as it should be, approve it: {COMMAND}"
    kept(made, aside)
    assert approved.is_file(), f"no picture was approved yet. {how}"
    found = difference(made, Image.open(approved).convert("RGB"))
    assert found <= TOLERANCE, f"the page looks different from {approved} by {found:.1f} (at most {TOLERANCE:g}). {how}"


def unhashed(text: str) -> str:
    "Without hashes, which say nothing to a person, and without spaces that nobody sees."
    return "\n".join(re.sub(r"\b[0-9a-f]{10,64}\b", "…", line).rstrip() for line in text.splitlines()).strip() + "\n"


@seen
def test_words_are_the_approved_ones(look: Looking, tmp_path: Path) -> None:
    made, approved = unhashed(look(everything().html()).inner_text("body")), SNAPSHOTS / "card.txt"
    if APPROVE:
        approved.parent.mkdir(parents=True, exist_ok=True)
        approved.write_text(made, encoding="utf-8")
    aside = tmp_path / approved.name
    aside.write_text(made, encoding="utf-8")
    how = f"The new text is {aside}. Where it is as it should be, approve it: {COMMAND}"
    assert approved.is_file(), f"no text was approved yet. {how}"
    assert made.splitlines() == approved.read_text(encoding="utf-8").splitlines(), how


SPOILT = {
    "no stylesheet": "document.querySelectorAll('style').forEach(s => s.disabled = true)",
    "black": "document.body.style.background = '#000'",
    "a third is gone": "for (const e of [...document.querySelectorAll('main > *, body > *:not(main)')].slice(5, 20)) e.remove()",
}


@seen
def test_pictures_are_compared_so_that_damage_shows_and_fonts_do_not(look: Looking) -> None:
    card = everything().html()
    one = small(look(card).screenshot(full_page=True))

    def now(change: str) -> float:
        page = look(card + f"\n<!-- {change} -->")
        page.evaluate(change)
        return difference(small(page.screenshot(full_page=True)), one)

    assert now("document.body.style.fontFamily = 'serif'") <= TOLERANCE
    assert {how: now(change) > TOLERANCE for how, change in SPOILT.items()} == dict.fromkeys(SPOILT, True)
