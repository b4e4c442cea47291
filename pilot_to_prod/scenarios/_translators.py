"""Translators of the user's, named by text so that a notebook can carry them as a parameter: a function, or a Hugging Face model."""

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

BATCH = 16  # pieces that a model translates at once
KEPT = 1 << 18  # translations that are kept in memory
_END = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<!\s)\s*\n\s*|(?<=[。！？])")
Translate = Callable[[list[str], str], Sequence[str]]


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


def _target(tokenizer: Any, language: str) -> int | None:
    "The token by which a model of many languages is told the one to write; None for models of one pair."
    codes = getattr(tokenizer, "lang_code_to_id", None) or {}
    own = [code for code in codes if language in (code, code.split("_")[0])]
    if own:
        return int(codes[own[0]])
    if codes:
        raise ValueError(f"the model writes no {language!r}; it knows {', '.join(sorted(codes))}.")
    if hasattr(tokenizer, "get_lang_id"):
        return int(tokenizer.get_lang_id(language))
    if "_" in language:  # as NLLB names them: deu_Latn
        return int(tokenizer.convert_tokens_to_ids(language))
    return None


def hugging_face(
    model: str,  # name on the hub or a local folder: an encoder-decoder model such as Marian, M2M100, mBART, NLLB
    *,
    batch: int = BATCH,
) -> Translate:
    """A translator from a Hugging Face model, loaded once at its first use.

    It calls tokenizer and model themselves, since transformers 5 has no translation pipeline any more. Texts are translated sentence by
    sentence, greedily, so that the same text gives the same translation; a sentence longer than the model takes stays as it is.
    """
    loaded: list[tuple[Any, Any]] = []

    def translate(texts: list[str], language: str) -> list[str]:
        if not loaded:
            loaded.append(_loaded(model))
        tokenizer, network = loaded[0]
        parted = [_sentences(text) for text in texts]
        pieces = list(dict.fromkeys(s for sentences, _ in parted for s in sentences if any(map(str.isalpha, s))))
        target, most = _target(tokenizer, language), int(getattr(network.config, "max_position_embeddings", 0) or 512)
        told = {} if target is None else {"forced_bos_token_id": target}
        sizes = [len(ids) for ids in tokenizer(pieces)["input_ids"]] if pieces else []
        fit = sorted((s for s, size in zip(pieces, sizes, strict=True) if size <= most), key=lambda s: (len(s), s))
        known: dict[str, str] = {}
        for start in range(0, len(fit), batch):
            part = fit[start : start + batch]
            encoded = tokenizer(part, return_tensors="pt", padding=True)
            answer = network.generate(**encoded, num_beams=1, do_sample=False, **told)
            known |= dict(zip(part, tokenizer.batch_decode(answer, skip_special_tokens=True), strict=True))
        return ["".join(known.get(s, s) + gap for s, gap in zip(*p, strict=True)) for p in parted]

    return translate


def _sentences(text: str) -> tuple[list[str], list[str]]:
    "Sentences and the white space after each: joined, they are the text."
    sentences, gaps, at = [], [], 0
    for m in _END.finditer(text):
        sentences.append(text[at : m.start()])
        gaps.append(m.group())
        at = m.end()
    return [*sentences, text[at:]], [*gaps, ""]


_KNOWN: dict[tuple[str, str], dict[str, str]] = {}


def translations(
    texts: Sequence[str],
    translator: str,
    language: str,
) -> list[str]:
    "The texts translated, each different one asked once a process. Raises ValueError where the translator breaks its contract."
    kept = _KNOWN.setdefault((translator, language), {})
    asked = [t for t in dict.fromkeys(texts) if t not in kept]
    if asked:
        got = translator_named(translator)(list(asked), language)
        if isinstance(got, str) or not hasattr(got, "__len__"):
            raise ValueError(f"translator {translator!r} must return a list of strings; got a {type(got).__name__}.")
        if len(got) != len(asked):
            raise ValueError(
                f"translator {translator!r} returned {len(got)} strings for {len(asked)} texts; it must return one for each, in order."
            )
        wrong = [(i, v) for i, v in enumerate(got) if not isinstance(v, str)]
        if wrong:
            (i, value), more = wrong[0], len(wrong) - 1
            raise ValueError(
                f"translator {translator!r} must return strings; for text {i} it returned a {type(value).__name__}"
                + (f", and {more} more are no strings." if more else ".")
                + " Return the text itself where there is no translation."
            )
        fresh = dict(zip(asked, map(str, got), strict=True))
        if len(kept) + len(fresh) > KEPT:
            kept.clear()
            kept.update((t, fresh[t]) for t in list(fresh)[-KEPT:])
            return [fresh[t] if t in fresh else translations([t], translator, language)[0] for t in texts]
        kept |= fresh
    return [kept[t] for t in texts]
