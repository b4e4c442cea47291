"""Sentences turned into their opposite by rule: a negation put in, or taken out, where grammar makes that simple.

Each rule has the words that change, so that what they become can be told from them alone, and what must stand around them.
At most one place a sentence is named. Questions get no negation put in ("can't I pay?" asks for what "can I pay?" asks for),
and a sentence with another negative word ("nobody", "nothing", "any") is left alone. The rules were written for this project.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pilot_to_prod.scenarios._phrases import Span, capital, shout

LANGUAGES = ("da", "de", "en", "es", "fr", "id", "it", "pt", "sv")
HOW = ("both", "insert", "remove")
_SENTENCE = re.compile(r"[^.!?\u2026\n]+[.!?\u2026]*")
_LEFT, _RIGHT = r"(?<![\w'\u2019@#/.-])", r"(?![\w'\u2019@/-])"
_A = r"['\u2019]"  # apostrophe


@dataclass(frozen=True)
class Rule:
    "The words that change, with what must stand around them."

    removes: bool
    find: re.Pattern[str]  # group "s": the words that change
    shape: re.Pattern[str]  # those words alone
    new: Callable[[re.Match[str]], str]


def _rule(removes: bool, shape: str, new: str | Callable[[re.Match[str]], str], before: str = "", after: str = "") -> Rule:
    "A rule from patterns; a `new` of text is a template such as r'\\1 not'."
    made = new if callable(new) else lambda m: m.expand(new)
    find = re.compile(rf"{_LEFT}{before}(?P<s>{shape}){_RIGHT}{after}", re.IGNORECASE)
    return Rule(removes, find, re.compile(shape, re.IGNORECASE), made)


def _any(words: str) -> str:
    "Alternatives, the longest first; an underscore stands for a space."
    found = sorted(words.split(), key=lambda w: (-len(w), w))
    return "(?:" + "|".join(w.replace("_", " ").replace("'", _A) for w in found) + ")"


# English ---------------------------------------------------------------------------------------------------------------

_EN_AUX = "is are was were can could will would should must has have had does did do"
_EN_NOT = {"can": "can't", "will": "won't"}
_EN_CUT = {(_EN_NOT.get(a, f"{a}n't")): a for a in _EN_AUX.split()}
_EN_CUT |= {k.replace("'", ""): v for k, v in _EN_CUT.items()} | {"cannot": "can"}
_EN_PAST = {
    "received": "receive", "got": "get", "made": "make", "paid": "pay", "sent": "send", "ordered": "order", "bought": "buy",
    "lost": "lose", "found": "find", "withdrew": "withdraw", "transferred": "transfer", "requested": "request",
    "changed": "change", "cancelled": "cancel", "canceled": "cancel", "arrived": "arrive", "came": "come", "went": "go",
    "worked": "work", "wanted": "want", "needed": "need", "saw": "see", "asked": "ask", "booked": "book",
    "returned": "return", "liked": "like", "loved": "love", "enjoyed": "enjoy", "tried": "try", "checked": "check",
    "entered": "enter", "called": "call", "forgot": "forget",
}  # fmt: skip
_EN_SUBJECT = (
    rf"(?:{_any('i you he she it we they this that there')}|{_any('my the your our his her their this that')} [a-z]+) "
)
_EN_DONE = (
    _any("been got made paid sent lost found gone come done seen had taken given bought put left told kept set") + r"|[a-z]+ed"
)
_EN_ORDERS = _any(
    "remind set cancel show delete add play turn send call give tell make create book find change remove stop put "
    "close open order rate "
    "schedule wake let start pause snooze list update block activate refund return transfer pay ship deliver check"
)
_EN_THINGS = _any("me my the a an all this that it any some up off on us our him her them everything another")
_EN_BE = "i'm you're we're they're he's she's it's that's there's"
_EN_WANT = _any("want need know like love understand believe think recognise recognize remember see use agree trust")


def _en_cut(match: re.Match[str]) -> str:
    said = match[0].lower().replace("\u2019", "'").removeprefix("still ")
    return _EN_CUT.get(said) or said.removesuffix(" not")


def _english() -> list[Rule]:
    cut = _any(" ".join(_EN_CUT) + " " + " ".join(f"{a}_not" for a in _EN_AUX.split()))
    inside = r"(?<!^)(?<=\s)"
    return [
        _rule(True, rf"({_any('has have')})(?: not|n{_A}?t)((?: [a-z]+){{1,6}}?) yet", r"\1 already\2"),
        _rule(True, rf"({_any('i you we they')}) (?:do not|don{_A}?t)", r"\1", after=r"(?= [a-z])"),
        _rule(
            True, rf"(?:do not|don{_A}?t) (?!{_any('you i we they he she it the my your our')}\b)([a-z]+)", r"\1",
            before=r"(?<!\w )(?:(?<=^)|(?<=please )|(?<=^ ))",
        ),
        _rule(True, rf"(?:still )?{cut}", _en_cut, before=inside),
        _rule(True, "no longer", "still"),
        _rule(True, rf"never (?!{_any('mind again')}\b)([a-z]+)", r"\1"),
        _rule(
            True,
            rf"not (?!{_any('only just even all every much many a an the yet because to sure that so if')}\b)([a-z]+)",
            r"\1",
            before=r"(?<!why )(?<!if )(?<!or )(?<!but )",
        ),
        _rule(
            False, f"({_any('is are was were could will would should must')})", r"\1 not", before=_EN_SUBJECT,
            after=rf"(?= (?!{_any('like love wondering hoping appreciate be_able')}\b)[a-z])",
        ),
        _rule(False, "can", "cannot", before=_EN_SUBJECT, after="(?= [a-z])"),
        _rule(
            False, rf"({_any(_EN_BE)})", r"\1 not",
            after=rf"(?= (?!{_any('why what how where all')}\b)[a-z])",
        ),
        _rule(False, rf"({_any('i you we they he she it')}){_A}ll", r"\1 will not", after="(?= [a-z])"),
        _rule(False, rf"({_any('i you we they')}){_A}ve", r"\1 have not", after=rf"(?= (?:{_EN_DONE})\b)"),
        _rule(False, "(have|has|had)", r"\1 not", before=_EN_SUBJECT, after=rf"(?= (?:{_EN_DONE})\b)"),
        _rule(False, "have (a|an|the|my|to|enough|access)", r"don't have \1", before=rf"{_any('i you we they')} "),
        _rule(
            False, f"({_EN_WANT})", r"don't \1", after="(?= [a-z])",
            before=rf"(?<!do )(?<!did )(?<!can )(?<!will )(?<!should ){_any('i you we they')} ",
        ),
        _rule(
            False, _any(" ".join(_EN_PAST)), lambda m: f"did not {_EN_PAST[m[0].lower()]}",
            before=rf"{_any('i you we they he she it')} ",
        ),
        _rule(
            False, _EN_ORDERS, lambda m: f"don't {m[0].lower()}",
            before=r"(?:(?<=^)|(?<=^ )|(?<=please ))", after=rf"(?= {_EN_THINGS}\b)",
        ),
    ]  # fmt: skip


# German ----------------------------------------------------------------------------------------------------------------

_DE_FINITE = _any(
    "habe hast hat haben habt bin bist ist sind seid war waren hatte hatten wurde wurden werde wirst wird werden "
    "kann kannst können könnte "
    "könnten will willst wollen möchte möchten muss musst müssen soll sollte sollten darf dürfen"
)
_DE_LAST = (  # infinitives and participles: no capital letter
    r"(?-i:ge[a-zäöüß]+(?:t|en)|(?:[a-zäöüß]+ge|be|er|ver|ent|zer|miss|über|unter)[a-zäöüß]+(?:t|en)|[a-zäöüß]+iert|"
    r"[a-zäöüß]{2,}(?:en|ern|eln))"
)


def _german() -> list[Rule]:
    word = r"[^\W\d_]+"
    keep = _any("nur mehr einmal so sehr dass weil ganz alle immer wahr als")
    return [
        _rule(True, "noch nicht", "schon"),
        _rule(True, "nicht mehr", "noch"),
        _rule(True, "noch nie", "schon oft"),
        _rule(True, "niemals|nie(?! wieder)", "immer"),
        _rule(
            True, rf"(?:gar |überhaupt |einfach )?nicht (?!{keep}\b)({word})", r"\1",
            before=r"(?<!ob )(?<!oder )(?<!warum )(?<!wieso )",
        ),
        _rule(True, rf"((?!(?:oder|ob|warum|wieso)\b){word}) nicht", r"\1", after=r"(?=\s*(?:[.!?,]|$))"),
        _rule(True, "k(ein(?:en|em|er|es)?)", r"\1"),
        _rule(True, rf"keine ((?:{word}(?:ung|heit|keit|schaft|tion|tät|ei)))", r"eine \1"),
        _rule(True, rf"keine ((?:{word}(?:ungen|heiten|keiten|schaften|tionen|täten|en|ern|eln|s)))", r"\1"),
        _rule(
            False, "(ein(?:e|en|em|er|es)?)", r"k\1", before=r"(?<!so )(?<!für )(?<!wie )(?<!als )(?<!nur )(?<!noch )(?<!um )",
            after=r"(?= (?-i:(?:[a-zäöüß]+(?:e|en|er|es|em) )?(?!Uhr|Mal|Stunde|Minute)[A-ZÄÖÜ][a-zäöüß]))",
        ),
        _rule(False, f"({_DE_LAST})", r"nicht \1", before=rf"{_DE_FINITE} (?:[^,;:]+ )?", after=r"(?=\s*[.!\u2026]*\s*$)"),
    ]  # fmt: skip


# French ----------------------------------------------------------------------------------------------------------------

_FR_VERBS = _any(
    "suis es est sommes êtes sont étais était étaient ai as a avons avez ont avais avait peux peut pouvons pouvez "
    "peuvent veux veut voulons "
    "voulez dois doit vais va allons allez vont sais sait comprends comprend trouve trouvons reçois aime aimons "
    "pense souhaite souhaitons "
    "fonctionne fonctionnent marche marchent arrive reconnais voudrais"
)
_FR_CLITICS = rf"(?:(?:me|te|se|le|la|les|lui|leur|y|en|nous|vous) |[mtsl]{_A})*"
_FR_VOWELS = "aeiouyhâàéèêëîïôûœ"


def _fr_ne(verb: str) -> str:
    return f"n'{verb}" if verb[:1].lower() in _FR_VOWELS else f"ne {verb}"


def _fr_said(subject: str, verb: str) -> str:
    "Subject and verb without their negation: je + ai is j'ai, ce + est is c'est."
    if subject.lower() in ("je", "ce") and verb[:1].lower() in _FR_VOWELS:
        return f"{subject[0]}'{verb}"
    return f"{subject} {verb}".strip()


_FR_NOT = {"pas": "", "pas encore": " déjà", "plus": " encore", "jamais": " toujours"}


def _fr_removed(match: re.Match[str]) -> str:
    return _fr_said(match[1] or "", match[2]) + _FR_NOT[match[3].lower()]


_FR_REMOVED = rf"(?:(je|ce) )?(?:ne |n{_A})({_FR_CLITICS}[^\W\d_]+) (pas encore|pas|plus|jamais)"


def _fr_none(article: str | None, noun: str | None) -> str:
    "An indefinite article under a negation: un, une, des, du become de."
    if noun is None:
        return ""
    return f" d'{noun}" if noun[:1].lower() in _FR_VOWELS else f" de {noun}"


def _french() -> list[Rule]:
    some = r"(?: (un|une|des|du|de la) ([^\W\d_]+))?"
    owns = _any("ai as a avons avez ont avais avait veux veut voulons voulez reçois souhaite souhaitons voudrais")
    subject = r"(?:tu|il|elle|on|ils|elles|nous(?= [^\W\d_]+(?:ons|mes)\b)|vous(?= [^\W\d_]+(?:ez|tes)\b))"
    free = "".join(f"(?<!{w} )" for w in ("je", "tu", "il", "elle", "on", "nous", "vous", "ils", "elles", "le", "la", "les"))
    return [
        _rule(True, _FR_REMOVED, _fr_removed, after=rf"(?! (?:de|d{_A}|que|du tout)\b)(?! d{_A})"),
        _rule(False, rf"j{_A}(ai|avais){some}", lambda m: f"je n'{m[1]} pas{_fr_none(m[2], m[3])}"),
        _rule(False, rf"c{_A}(est|était)", r"ce n'\1 pas", after=r"(?! (?:pourquoi|que|à|pour|parce|là)\b)(?= [^\W\d_])"),
        _rule(
            False, rf"(je|{subject}) ({owns}){some}", lambda m: f"{m[1]} {_fr_ne(m[2])} pas{_fr_none(m[3], m[4])}", before=free
        ),
        _rule(False, rf"(je|{subject}) ({_FR_VERBS})", lambda m: f"{m[1]} {_fr_ne(m[2])} pas", before=free),
        _rule(
            False, f"({_any('est sont était étaient peut peuvent fonctionne fonctionnent marche marchent arrive')})",
            lambda m: f"{_fr_ne(m[1])} pas",
            before=rf"(?:{_any('le la les mon ma mes notre nos votre vos ce cette ces')} |l{_A})[^\W\d_]+ ",
        ),
    ]  # fmt: skip


# Spanish, Italian, Portuguese: one word before the verb -----------------------------------------------------------------

_ES = _any(
    "puedo puedes puede podemos pueden quiero quiere queremos quieren necesito necesita necesitamos tengo tiene "
    "tenemos tienen está están "
    "estoy estamos estaba es son era fue fueron ha han he hemos había hay funciona funcionan funcionó llegó llega "
    "llegaron recibí recibió "
    "sé sabe gusta gustó gustaron encuentro encontré entiendo pude pudo reconozco pagué compré pedí"
)
_IT = _any(
    "posso puoi può possiamo possono voglio vuole vogliamo vorrei ho ha abbiamo hanno è sono era erano funziona "
    "funzionano arriva riesco "
    "capisco trovo devo deve so sa piace"
)
_PT = _any(
    "posso pode podemos podem quero quer queremos preciso precisa tenho tem temos têm está estão estou estava é "
    "são era foi foram há "
    "funciona funcionam funcionou chegou chega recebi recebeu consigo gosto gostei encontrei encontro entendo sei vou vai"
)


def _romance(no: str, verbs: str, clitics: str, stay: str, *others: Rule) -> list[Rule]:
    "One word before the verb and its clitics, which are given as alternatives."
    before = "(?<!si )(?<!se )(?<!o )(?<!ou )(?<!e )(?<!y )"
    return [
        *others,
        _rule(True, rf"{no} (?!{_any(stay)}\b)((?:{clitics})*[^\W\d_]+)", r"\1", before=before),
        _rule(
            False,
            rf"((?:{clitics})*{verbs})",
            lambda m: f"{no} {m[1][0].lower()}{m[1][1:]}",
            before="(?<!que )(?<!se )(?<!lo )(?<!che )",
        ),
    ]


def _spanish() -> list[Rule]:
    stay = "obstante solo sólo más es_que o y pero sé_si"
    already, still = _rule(True, "(?:todavía|aún) no", "ya"), _rule(True, "ya no", "todavía")
    return _romance("no", _ES, "(?:me|te|se|lo|la|le|nos|os|los|las|les) ", stay, already, still)


def _italian() -> list[Rule]:
    yet = _rule(True, r"non ([^\W\d_]+) ancora", r"\1 già")
    return _romance("non", _IT, rf"(?:mi|ti|si|lo|la|ci|vi|le|li|ne|gli) |[lc]{_A}", "solo so_se appena", yet)


def _portuguese() -> list[Rule]:
    already, still = _rule(True, "ainda não", "já"), _rule(True, "já não", "ainda")
    return _romance("não", _PT, "(?:me|te|se|lhe|nos) ", "só obstante mais sei_se", already, still)


# Scandinavian, Indonesian ----------------------------------------------------------------------------------------------


def _swedish() -> list[Rule]:
    return [
        _rule(True, "inte längre", "fortfarande"),
        _rule(True, "(?:ännu inte|inte ännu)", "redan"),
        _rule(
            True, rf"inte (?!{_any('bara ens så alls minst')}\b)([^\W\d_]+)", r"\1",
            before="(?<!om )(?<!eller )(?<!varför )",
        ),
        _rule(True, "aldrig", "alltid"),
        _rule(
            False,
            f"({_any('jag du han hon vi ni de det')} {_any('är var kan kunde har hade vill ville ska skulle får fick')})",
            r"\1 inte", after=r"(?= [^\W\d_])",
        ),
    ]  # fmt: skip


def _danish() -> list[Rule]:
    return [
        _rule(True, "ikke længere", "stadig"),
        _rule(True, "endnu ikke", "allerede"),
        _rule(
            True, rf"ikke (?!{_any('kun bare så engang mindst')}\b)([^\W\d_]+)", r"\1",
            before="(?<!om )(?<!eller )(?<!hvorfor )",
        ),
        _rule(True, "aldrig", "altid"),
        _rule(
            False,
            f"({_any('jeg du han hun vi I de det')} {_any('er var kan kunne har havde vil ville skal skulle får fik')})",
            r"\1 ikke", after=r"(?= [^\W\d_])",
        ),
    ]  # fmt: skip


def _indonesian() -> list[Rule]:
    return [
        _rule(
            True,
            r"(?:tidak|tak|nggak|enggak|gak|ga) (?!(?:hanya|cuma|usah|perlu|apa|ada|pernah|terlalu|begitu)\b)([^\W\d_]+)",
            r"\1",
        ),
        _rule(True, "(?:tidak|tak|nggak|gak|ga) ada", "ada"),
        _rule(True, "(?:tidak|tak|nggak|gak|ga) pernah", "selalu"),
        _rule(True, "belum", "sudah"),
        _rule(False, "sudah", "belum", after=r"(?= [^\W\d_])"),
        _rule(
            False,
            f"({_any('bisa suka mau ada enak bagus ingin dapat mahal murah nyaman ramai lengkap luas ramah cocok puas')})",
            r"tidak \1",
        ),
    ]


@cache
def rules(
    language: str,  # one of LANGUAGES
) -> tuple[Rule, ...]:
    "The rules of a language, earlier ones first. Raises ValueError with the known languages."
    made: dict[str, Callable[[], list[Rule]]] = {
        "en": _english,
        "de": _german,
        "fr": _french,
        "sv": _swedish,
        "da": _danish,
        "id": _indonesian,
        "es": _spanish,
        "it": _italian,
        "pt": _portuguese,
    }
    if language not in made:
        raise ValueError(f"no rules of negation for {language!r}; known: {', '.join(LANGUAGES)}.")
    return tuple(made[language]())


_OTHERS: dict[str, str] = {  # negative or bound words: a sentence with one of them is left alone
    "en": "nobody nothing none neither nor nowhere any anything anyone anybody anywhere ever either anymore hardly until "
    "unless single at_all",
    "de": "niemand nichts nirgends weder sondern keiner niemanden niemandem bisher irgendwas irgendwer irgendein",
    "fr": "rien personne aucun aucune ni guère sauf seul seule",
    "es": "nada nadie ningún ninguno ninguna nunca jamás tampoco ni sino siquiera",
    "it": "niente nulla nessun nessuno nessuna mai né neanche nemmeno più",
    "pt": "nada ninguém nenhum nenhuma nunca jamais nem sequer tampouco mais",
    "sv": "ingen inget inga ingenting något någon några heller varken utan enda",
    "da": "ingen intet ingenting noget nogen nogle heller hverken men eneste",
    "id": "bukan jangan tanpa siapa-siapa apa-apa sama-sama",
}
_NEGATIVE: dict[str, str] = {  # what a sentence must not have when a negation is put in
    "en": r"\b(?:not|no|never|cannot|without)\b|n['\u2019]t\b|"
    r"\b(?:dont|cant|wont|isnt|doesnt|didnt|havent|hasnt|wasnt|couldnt|arent)\b",
    "de": r"\b(?:nicht|kein\w*|nie|niemals|ohne)\b",
    "fr": r"\b(?:ne|pas|plus|jamais|sans|non)\b|\bn['\u2019]",
    "es": r"\b(?:no|sin)\b",
    "it": r"\b(?:non|senza|no)\b",
    "pt": r"\b(?:não|sem)\b",
    "sv": r"\b(?:inte|ej|icke|aldrig)\b",
    "da": r"\b(?:ikke|aldrig|uden)\b",
    "id": r"\b(?:tidak|tak|nggak|enggak|gak|ga|belum)\b",
}


_ASKS: dict[str, str] = {  # how questions begin, where people leave out the question mark
    "en": "what where when why how who which whose can could is are was were do does did will would should has have may "
    "whats wheres hows",
    "de": "was wo wann warum wieso wie wer welche welcher welches wohin woher wofür kann können könnte könnten ist sind "
    "hat haben habt wird "
    "werden gibt soll darf muss kannst könntest hast bist",
    "fr": "que quoi où quand pourquoi comment qui quel quelle quels quelles combien est-ce qu'est-ce peux-tu pouvez-vous",
    "es": "qué dónde cuándo por_qué cómo quién cuál cuáles cuánto cuánta cuántos",
    "it": "che cosa dove quando perché come chi qual quale quali quanto quanta quanti puoi può potresti",
    "pt": "que onde quando por_que como quem qual quais quanto quantos",
    "sv": "vad var när varför hur vem vilken vilket vilka kan är har ska vill",
    "da": "hvad hvor hvornår hvorfor hvordan hvem hvilken hvilket hvilke kan er har skal vil",
    "id": "apa apakah mana dimana kapan mengapa kenapa bagaimana siapa berapa bisakah",
}


@cache
def _words_of(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    "What a sentence must not have for any rule, and for a negation to be put in."
    if language not in _OTHERS:
        raise ValueError(f"negation: no rules for language {language!r}; there are for {', '.join(sorted(_OTHERS))}.")
    others = re.compile(rf"\b{_any(_OTHERS[language])}\b", re.IGNORECASE)
    stops = rf"{_NEGATIVE[language]}|\?|^\W*{_any(_ASKS[language])}\b"
    return others, re.compile(stops, re.IGNORECASE)


def _first(sentence: str, language: str, removes: bool) -> Span | None:
    "The leftmost place where a rule applies; the earlier rule where two begin together."
    best: Span | None = None
    for rule in rules(language):
        if rule.removes is removes and (match := rule.find.search(sentence)):
            span = match.span("s")
            if best is None or span[0] < best[0]:
                best = span
    return best


def negations(
    text: str,
    language: str,
    how: str,  # one of HOW
) -> list[Span]:
    "Where sentences can be turned round: at most one place each."
    others, stops = _words_of(language)
    out = []
    for part in _SENTENCE.finditer(text):
        sentence = part.group()
        if others.search(sentence):
            continue
        found = _first(sentence, language, True) if how != "insert" else None
        if found is None and how != "remove" and not stops.search(sentence):
            found = _first(sentence, language, False)
        if found is not None and turned(sentence[slice(*found)], language) is not None:
            out.append((part.start() + found[0], part.start() + found[1]))
    return out


def turned(span: str, language: str) -> str | None:
    "What the words of a rule become, in their case; None where no rule has them."
    for rule in rules(language):
        match = rule.shape.fullmatch(span)
        if match is None:
            continue
        new = rule.new(match)
        letters = [c for c in span if c.isalpha()]
        if len(letters) > 2 and all(c.isupper() for c in letters):
            new = shout(new)
        elif span[:1].isupper() and not new[:1].isupper():
            new = capital(new)
        return new if new != span else None
    return None


__all__ = ["HOW", "LANGUAGES", "Rule", "negations", "rules", "turned"]
