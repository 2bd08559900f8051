"""Words of a question or of a remembered text, for rules and for comparing the two.

Only for judging: nothing here searches the store. Chinese has no spaces, so a run of Chinese
characters counts as its overlapping pairs (a single character where the run is one long).
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text in which they are parted by spaces."""
    return frozenset(words.split())


_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_]+(?:'[^\W_]+)*")
_CJK_CHARACTER = re.compile(f"[{_CJK}]")

# What a question is made of, beside what it is about.
_FRAME = word_set(
    """
    a an the this that these those some any every each all both one ones thing things
    something anything nothing somebody someone anybody anyone everybody everyone nobody
    people person i me my mine you your yours he him his she her hers it its we us our
    ours they them their myself yourself himself herself itself ourselves themselves am is
    are was were be been being do does did done doing have has had having will would shall
    should can could may might must to of in on at by for from with without about into
    onto over under out up down off as than and or but if so because while then there here
    not no nor only just also too very really what where when who whom whose which why how
    often many much long far say says said saying tell tells told telling speak speaks
    spoke spoken speaking talk talks talked talking mention mentions mentioned mentioning
    hear hears heard hearing listen see sees saw seen seeing look looks looked looking
    watch watched watching show shows showed shown showing display displayed displays
    appear appears appeared read reads reading written write wrote writes happen happens
    happened happening please time times now currently moment moments ever again once
    twice ago word words called name named point exactly sentence it's that's what's who's
    where's when's how's there's i'm you're we're they're he's she's i've you've we've
    they've i'd you'd don't doesn't didn't isn't aren't wasn't weren't haven't hasn't
    can't couldn't won't wouldn't let's video recording stream picture pictures give find
    list remind describe explain omni summarize summarise summary recap digest overview
    everything whole far
    """
)
# Words of little weight: they name an action that may be told with another word.
_LIGHT = word_set(
    """
    put keep get go come make take use need want bring leave left like think know meet
    start begin end stop find give work call set turn move good new first last next before
    after today tomorrow yesterday day week minute hour second morning evening night wrong
    matter problem place according kind sort type reason news exist right ask answer reply
    """
)
_CHINESE_FRAME = re.compile(
    "最后|最早|最近|第一次|什么时候|什么|时候|怎么样|怎么|为什么|哪里|哪儿|哪个|哪些|多少|几次|几点|几个|多久|是否|有没有"
    "|没有|有人|告诉我|告诉|请问|请|提到|提过|说过|说了|说|讲|听到|听见|看到|看见|显示|出现|屏幕上"
    "|屏幕|上面|写着|写了|写|发生|现在|刚才|关于|他们|我们|你们|大家|谁|他|她|它|我|你|了|的|是|在"
    "|有|过|吗|呢|吧|啊|把|被|就|都|也|和|与|这|那|哪|次|里|上"
)


def is_chinese(text: str) -> bool:
    """Return whether `text` holds Chinese characters."""
    return _CJK_CHARACTER.search(text) is not None


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of `text`, folded; each Chinese character is one."""
    return tuple(_WORD.findall(text.casefold().replace("\u2019", "'")))


def stem(word: str) -> str:
    """Return `word` without its commonest English endings."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            word = word.removesuffix(ending)
            if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word


def terms(text: str) -> tuple[str, ...]:
    """Return what a question is about: its content words, stemmed, each once, in order."""
    if is_chinese(text):
        text = _CHINESE_FRAME.sub(" ", text)
    words = (word for word in _split(text) if word not in _FRAME)
    return tuple(dict.fromkeys(stem(word) for word in words))


def richness(text: str) -> int:
    """Return how many different words of content `text` holds."""
    return sum(0 if term in _LIGHT_STEMS else 1 for term in terms(text))


def stems(text: str) -> frozenset[str]:
    """Return every word of a remembered text, stemmed, for `coverage`."""
    return frozenset(stem(word) for word in _split(text)) | frozenset(
        word for word in tokens(text) if is_chinese(word)
    )


def coverage(wanted: Iterable[str], text: str) -> float:
    """Return the weight of the `wanted` terms that `text` holds, 0..1 (0 if none wanted)."""
    held = stems(text)
    total = found = 0.0
    for term in wanted:
        weight = 0.4 if term in _LIGHT_STEMS else 1.0
        total += weight
        if term in held or any(_akin(term, word) for word in held):
            found += weight
    return found / total if total else 0.0


def _akin(term: str, word: str) -> bool:
    # "decision" and "decide" share no ending that a stemmer this small knows; a long common
    # beginning is close enough, and names and numbers are too short to be confused by it.
    return len(term) >= 6 and len(word) >= 6 and term[:6] == word[:6]


def _split(text: str) -> list[str]:
    words: list[str] = []
    run = ""
    for match in _WORD.finditer(text.casefold().replace("\u2019", "'")):
        word = match.group()
        if is_chinese(word):
            # Two characters are neighbours only if nothing stands between them.
            if run and text[match.start() - 1 : match.start()].casefold() != run[-1]:
                words += _pairs(run)
                run = ""
            run += word
        else:
            words += _pairs(run)
            run = ""
            words.append(word)
    return words + _pairs(run)


def _pairs(run: str) -> list[str]:
    if len(run) < 2:
        return [run] if run else []
    return [run[i : i + 2] for i in range(len(run) - 1)]


_LIGHT_STEMS = frozenset(stem(word) for word in _LIGHT)
