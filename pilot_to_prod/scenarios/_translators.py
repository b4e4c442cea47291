"""Translators of the user's, named by text so that a notebook can carry them as a parameter: a function, or a Hugging Face model."""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

BATCH = 16  # pieces that a model translates at once
KEPT = 1 << 18  # translations that are kept in memory
_END = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<!\s)\s*\n\s*|(?<=[。！？])")
Translate = Callable[..., Sequence[str]]  # texts, language
_UNASKED: ContextVar[bool] = ContextVar("unasked", default=False)


@contextmanager
def unasked() -> Iterator[None]:
    "Inside, no translator is called: each text counts as one that it changes. For counting what a replay asks."
    token = _UNASKED.set(True)
    try:
        yield
    finally:
        _UNASKED.reset(token)


@cache
def translator_named(
    name: str,  # "module:function", "hf:owner/model"
) -> Translate:
    "The function of that name: strings and a language in, as many strings out. Raises ValueError or ImportError with the next step."
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(
            f"translator must be 'module:function' or 'hf:owner/model', say 'hf:Helsinki-NLP/opus-mt-en-de'; got {name!r}."
        )
    if module == "hf":
        return hugging_face(attribute)
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ImportError(f"translator {name!r}: module {module!r} cannot be imported here ({error}).") from error
    except AttributeError:
        raise ValueError(f"translator {name!r}: module {module!r} has no {attribute!r}.") from None
    if not callable(found):
        raise ValueError(f"translator {name!r} is a {type(found).__name__}; a function of texts and a language is needed.")
    return found


def _loaded(model: str) -> tuple[Any, Any]:
    "Tokenizer and model. Raises ImportError with the pip command."
    try:
        transformers: Any = importlib.import_module("transformers")
        return transformers.AutoTokenizer.from_pretrained(model), transformers.AutoModelForSeq2SeqLM.from_pretrained(model)
    except ImportError as error:
        raise ImportError(
            f"translator 'hf:{model}' needs transformers and PyTorch: pip install 'transformers[sentencepiece]' torch"
        ) from error


# Codes by which models of many languages name them

_ALIKE = {"nb": "no", "pbt": "ps", "quy": "qu"}  # besides CLDR's aliases


@cache
def _resolved(code: str) -> tuple[str, str | None]:
    "Language and script that a code stands for: de, deu_Latn and de_DE are one, zh_TW and zho_Hant are one."
    from babel.core import get_global

    first, *rest = code.replace("-", "_").split("_")
    language = str(get_global("language_aliases").get(first.lower(), first.lower())).split("_")[0]
    country = next((x.upper() for x in rest if len(x) == 2), "")
    likely = get_global("likely_subtags")
    usual = str(likely.get(f"{language}_{country}") or likely.get(language) or "").split("_")
    script = next((x.title() for x in rest if len(x) == 4), usual[1] if len(usual) > 1 else None)
    return _ALIKE.get(language, language), script


def _codes(tokenizer: Any) -> list[str]:
    "Codes of the languages that a tokenizer shows, as mBART, M2M100 and NLLB name them; none for models of one pair."
    for name in ("lang_code_to_id", "lang_code_to_token"):
        if found := getattr(tokenizer, name, None):
            return list(found)
    special = getattr(tokenizer, "additional_special_tokens", None) or getattr(tokenizer, "extra_special_tokens", None) or ()
    return [x for x in map(str, special) if re.fullmatch("[a-z]{2,3}_[A-Za-z]{2,4}", x)]


def _code_of(language: str, codes: Sequence[str]) -> str | None:
    "The code of a language among those of a model: in the script asked for, else in its usual one, else in any."
    if language in codes:
        return language
    wanted = _resolved(language)
    alike = [x for x in codes if _resolved(x)[0] == wanted[0]]
    same = [x for x in alike if _resolved(x) == wanted]
    return next(iter(same or ([] if re.search("[-_]", language) else alike)), None)


def _target(tokenizer: Any, language: str) -> int | None:
    "The token by which a model of many languages is told the one to write; None for models of one pair."
    codes = _codes(tokenizer)
    code = _code_of(language, codes)
    if codes and code is None:
        raise ValueError(f"the model writes no {language!r}; it knows {', '.join(sorted(codes))}.")
    if code is not None and code in (getattr(tokenizer, "lang_code_to_id", None) or {}):
        return int(tokenizer.lang_code_to_id[code])
    if hasattr(tokenizer, "get_lang_id"):
        return int(tokenizer.get_lang_id(code or language))
    return None if code is None else int(tokenizer.convert_tokens_to_ids(code))


def _source(tokenizer: Any, language: str | None, asked: bool) -> str | None:
    "The code of a text's language, the usual one of the model where it cannot be told; '' where the model cannot read it."
    codes = _codes(tokenizer)
    if language is None or not codes:
        return None
    code = _code_of(language, codes)
    if code is None and asked:
        raise ValueError(f"the model reads no {language!r}; it knows {', '.join(sorted(codes))}.")
    return code or ""


def _prefix(tokenizer: Any, config: Any, language: str, source: str | None) -> str:
    "What a T5 is told before each text; nothing for other models."
    if getattr(config, "model_type", None) != "t5":
        return ""
    if f"<2{language}>" in tokenizer.get_vocab():  # MADLAD-400
        return f"<2{language}> "
    from babel import Locale

    named = Locale.parse("en").languages
    (of, _), (into, _) = _resolved(source or "en"), _resolved(language)
    stated = (getattr(config, "task_specific_params", None) or {}).get(f"translation_{of}_to_{into}") or {}
    return str(stated.get("prefix") or f"translate {named.get(of, of)} to {named.get(into, into)}: ")


def _spoken(texts: Sequence[str], told: Sequence[str | None] | None) -> list[str | None]:
    "Language of each text: as told, else as detected; None where it cannot be told."
    from pilot_to_prod.scenarios._languages import UNKNOWN, detect

    known: list[str | None] = list(told) if told is not None else [None] * len(texts)
    open_ = [i for i, x in enumerate(known) if x is None]
    for i, x in zip(open_, detect([texts[i] for i in open_])[0].tolist() if open_ else [], strict=True):
        known[i] = None if x == UNKNOWN else x
    return known


def hugging_face(
    model: str,  # name on the hub or a local folder: an encoder-decoder model such as Marian, M2M100, mBART, NLLB, T5
    *,
    batch: int = BATCH,
) -> Translate:
    """A translator from a Hugging Face model, loaded once at its first use.

    It calls tokenizer and model themselves, since transformers 5 has no translation pipeline any more. Texts are translated sentence by
    sentence, greedily, so that the same text gives the same translation; a sentence longer than the model takes stays as it is. Models of
    many languages are told the language of each text, and a text in one that they cannot read stays as it is, too.
    """
    loaded: list[tuple[Any, Any, Any]] = []

    def translate(
        texts: list[str],
        language: str,
        source: str | None = None,  # what all texts are in
        told: Sequence[str | None] | None = None,  # or what each is in; None: detected
    ) -> list[str]:
        if not loaded:
            tokenizer, network = _loaded(model)
            loaded.append((tokenizer, network, getattr(tokenizer, "src_lang", None)))
        tokenizer, network, usual = loaded[0]
        target, config = _target(tokenizer, language), network.config
        asks = target is not None or getattr(config, "model_type", None) == "t5"
        spoken = [source] * len(texts) if source or not asks else _spoken(texts, told)
        tags = {x: (_source(tokenizer, x, source is not None), _prefix(tokenizer, config, language, x)) for x in set(spoken)}
        parted, known = [_sentences(text) for text in texts], dict[tuple[Any, str], str]()
        for tag in sorted(set(tags.values()), key=str):
            code, prefix = tag
            wanted = (s for (ss, _), x in zip(parted, spoken, strict=True) if tags[x] == tag for s in ss)
            pieces = list(dict.fromkeys(s for s in wanted if code != "" and any(map(str.isalpha, s))))
            if hasattr(tokenizer, "src_lang"):
                tokenizer.src_lang = code or usual
            said = _generated(tokenizer, network, [prefix + s for s in pieces], target, batch)
            known |= {(tag, s): new for s, new in zip(pieces, said, strict=True) if new is not None}
        joined = zip(parted, spoken, strict=True)
        return ["".join(known.get((tags[x], s), s) + gap for s, gap in zip(*p, strict=True)) for p, x in joined]

    return translate


def _generated(tokenizer: Any, network: Any, pieces: list[str], target: int | None, batch: int) -> list[str | None]:
    "What a model makes of each piece, pieces of about one length together; None for those longer than it takes."
    most = int(getattr(network.config, "max_position_embeddings", 0) or 512)
    told = {} if target is None else {"forced_bos_token_id": target}
    sizes = [len(ids) for ids in tokenizer(pieces)["input_ids"]] if pieces else []
    fit = sorted((s for s, size in zip(pieces, sizes, strict=True) if size <= most), key=lambda s: (len(s), s))
    known: dict[str, str] = {}
    for start in range(0, len(fit), batch):
        part = fit[start : start + batch]
        encoded = tokenizer(part, return_tensors="pt", padding=True)
        answer = network.generate(**encoded, num_beams=1, do_sample=False, **told)
        known |= dict(zip(part, tokenizer.batch_decode(answer, skip_special_tokens=True), strict=True))
    return [known.get(s) for s in pieces]


def _sentences(text: str) -> tuple[list[str], list[str]]:
    "Sentences and the white space after each: joined, they are the text."
    sentences, gaps, at = [], [], 0
    for m in _END.finditer(text):
        sentences.append(text[at : m.start()])
        gaps.append(m.group())
        at = m.end()
    return [*sentences, text[at:]], [*gaps, ""]


_KNOWN: dict[
    tuple[str, str], dict[tuple[str, str | None], str]
] = {}  # by translator and language: text, its language → translation


def translations(
    texts: Sequence[str],
    translator: str,
    language: str,
    source: str | None = None,  # what all texts are in; models of Hugging Face are told, functions are not
    told: Sequence[str | None] | None = None,  # or what each is in, where that is known
) -> list[str]:
    "The texts translated, each different one asked once a process. Raises ValueError where the translator breaks its contract."
    if _UNASKED.get():
        return [f"{text} ({language})" for text in texts]
    model = translator.startswith("hf:")
    spoken: Sequence[str | None] = (told or [source] * len(texts)) if model else [None] * len(texts)
    kept, keys = _KNOWN.setdefault((translator, language), {}), list(zip(texts, spoken, strict=True))
    asked = [k for k in dict.fromkeys(keys) if k not in kept]
    fresh: dict[tuple[str, str | None], str] = {}
    if asked:
        more = {"source": source, "told": [x for _, x in asked]} if model else {}
        got = translator_named(translator)([t for t, _ in asked], language, **more)
        fresh = dict(zip(asked, _checked(got, len(asked), translator), strict=True))
    said = [fresh[k] if k in fresh else kept[k] for k in keys]
    if len(kept) + len(fresh) > KEPT:
        kept.clear()
    kept.update((k, fresh[k]) for k in list(fresh)[-KEPT:])
    return said


def _checked(got: Any, asked: int, translator: str) -> list[str]:
    "What a translator returned, if it is a string for each text. Raises ValueError with the next step."
    if isinstance(got, str) or not hasattr(got, "__len__"):
        raise ValueError(f"translator {translator!r} must return a list of strings; got a {type(got).__name__}.")
    if len(got) != asked:
        raise ValueError(
            f"translator {translator!r} returned {len(got)} strings for {asked} texts; it must return one for each, in order."
        )
    wrong = [(i, v) for i, v in enumerate(got) if not isinstance(v, str)]
    if wrong:
        (i, value), more = wrong[0], len(wrong) - 1
        raise ValueError(
            f"translator {translator!r} must return strings; for text {i} it returned a {type(value).__name__}"
            + (f", and {more} more are no strings." if more else ".")
            + " Return the text itself where there is no translation."
        )
    return [str(v) for v in got]
