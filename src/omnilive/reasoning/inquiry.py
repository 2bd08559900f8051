"""What a question asks for: the analysis that the embedded answerer works from.

Rules over the question's words. They decide how found moments are told, never what is found:
a wrong guess here gives a clumsy answer, not a false one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from omnilive.events import Kind
from omnilive.reasoning.words import is_chinese, stem, terms, word_set

Asked: TypeAlias = Literal[
    "said", "shown", "heard", "moved", "when", "count", "lasted", "digest", "now", "sight", "open"
]
Sight: TypeAlias = Literal["", "colour", "number", "look"]
Pick: TypeAlias = Literal["", "first", "last"]
FollowUp: TypeAlias = Literal["", "when", "after", "before", "more"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question, understood.

    Attributes:
        asked: what the answer must tell.
        senses: kinds of moments that can tell it; empty means any.
        sight: what eyes would have to see for it ("" = none needed).
        polar: whether yes or no is expected.
        pick: which of several is meant.
        terms: content words, stemmed, without time words.
        follow_up: how it leans on the turn before; "" if it stands alone.
        speaker: who is said to have spoken, if somebody is named; voices cannot be told apart.
        chinese: whether to answer in Chinese.
    """

    asked: Asked
    senses: tuple[Kind, ...] = ()
    sight: Sight = ""
    polar: bool = False
    pick: Pick = ""
    terms: tuple[str, ...] = ()
    follow_up: FollowUp = ""
    speaker: str = ""
    chinese: bool = False


def _any(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_COLOUR = _any(r"\b(colou?r|colou?rs|colou?red)\b|颜色")
_NUMBER = _any(
    r"\bhow many (?!times|minutes|hours|seconds|days|weeks|months|(loud )?(sounds?|noises?|bangs?)"
    r"|alarms|beeps)\w+|多少(个|人)|几个人"
)
_NUMBER_SEEN = _any(
    r"\b(are there|were there|is there|do you see|can you see|in the|on the|visible)\b"
    r"|有"
)
_LOOK = _any(
    r"\blooks? like\b|\bwear(s|ing)?\b|\bholding\b|\bcarrying\b"
    r"|\bfac(e|es|ial)\b|\bsmil(e|es|ing)\b"
    r"|\bwho (is|was|are|were) (in|on|there|that|this|visible|at the|standing|sitting)\b"
    r"|\bwho (do|did|can) you see\b"
    r"|\bwhat (is|was|are|were) (he|she|they|the \w+) (doing|holding)\b"
    r"|\b(do|can|did|could) you see (a|an|any|the|some)\b"
    r"(?! (text|words?|sign|screen|slide|title))"
    r"|\bwhat (kind|sort|type|breed|brand|make) of\b|\bwhat shape\b"
    r"|\bdescribe the (scene|room|picture|person|man|woman|car|video|image)\b"
    r"|\b(does|do|did) (he|she|it|they|(the |that |this )?\w+) look\b(?! (at|for|into))"
    r"|\bwhat does .* look\b|\b(is|are|was|were) there (a|an|any)"
    r" (dog|cat|car|person|man|woman|child|animal|bird|tree|people|bike|bicycle|truck)s?\b"
    r"|\b(is|are|was|were) (he|she|they|(the |that |this |a |any )?(man|woman|girl|boy"
    r"|child|children|person|people|baby|dog|cat|guy|lady|driver|speaker))( still| really| very)?"
    r" (happy|sad|angry|tired|bored|asleep|awake|sleeping|standing|sitting|lying|running|walking"
    r"|eating|drinking|laughing|crying|waving|old|young|tall|short|thin|fat|alone|bald|dressed)\b"
    r"|高兴|开心|生气|难过|站着|坐着|躺着|长什么样|穿着|穿什么|拿着|谁在(画面|那|里)|在做什么|看起来"
)
_SCREEN = _any(
    r"\b(screens?|slides?|signs?|title|subtitles?|captions?|text|written|writing|displayed|printed"
    r"|shown|showed|show up|spelled|headline|poster|board|label|display)\b"
    r"|\bwhat (does|did) (it|the \w+) (say|read)\b|屏幕|写|标题|字幕|文字|牌子|显示"
)
_SOUND = _any(
    r"\b(sounds?|nois(e|es|y)|loud|bangs?|beeps?|alarms?|silen(ce|t)|quiet|sirens?|music|barks?"
    r"|barking|knock(s|ing)?|crash(es)?|clap(s|ping)?|rings?|ringing)\b|声音|响|安静|噪音|警报"
)
_SPEECH = _any(
    r"\b(say|says|said|saying|tell|tells|told|talk\w*|speak\w*|spoke\w*|mention\w*|discuss\w*"
    r"|explain\w*|announce\w*|ask(ed|s)?|answer(ed)?|call(ed)?)\b|说|讲|提到|谈|告诉"
)
_MOTION = _any(r"\b(mov(e|ed|es|ing|ement)|motion|stir(red)?|activity)\b|动了|移动|运动|动静")
_WHEN = _any(
    r"^\W*(and |so |exactly |tell me |do you know |can you tell me )*"
    r"(when|(at )?what (time|point|moment)|how long ago|since when|which (minute|moment))\b"
    r"|什么时候|几点|何时|哪一刻"
)
_WHEN_PERCEIVED = _any(
    r"\b(say|said|mention\w*|talk\w*|hear|heard|show\w*|shown|see|seen|saw|appear\w*|speak|spoke"
    r"|read|display\w*|announce\w*|move\w*|motion|come up|came up|there)\b"
    r"|说|提到|显示|出现|看到|听到|动"
)
_COUNT = _any(r"\bhow (often|many times)\b|\bnumber of times\b|\bcount\b|几次|多少次")
_COUNT_SOUNDS = _any(r"\bhow many (loud )?(sounds?|noises?|bangs?|alarms|beeps)\b")
_LASTED = _any(r"\bhow long (did|was|were|does|is|has)\b|\bfor how long\b|多久|多长时间")
_DIGEST = _any(
    r"\b(summar(y|i[sz]e\w*)|recap|digest|overview|what (has |have )?(happened|went on|did i miss"
    r"|have i missed|took place|was going on)|what's new|anything (new|interesting|happen\w*)"
    r"|what did you (see|notice|observe|hear and see)|everything that happened)\b"
    r"|发生了(什么|哪些)|总结|概括|错过了"
)
_SEE_NOW = _any(r"\bwhat (do|can) you (see|hear)\b|你看到什么")
_NOW = _any(
    r"\b(right now|now|currently|at the moment|at present|happening|going on)\b"
    r"|现在|目前|此刻|正在"
)
_POLAR = _any(
    r"^\W*(and |so |but |ok(ay)?,? |omni,? )*(did|do|does|was|were|is|are|has|have|had|can|could"
    r"|will|would|didn't|wasn't|isn't|hasn't)\b|吗[?？。]?\s*$|有没有|是否|是不是"
)
_FIRST = _any(r"\b(first|for the first time|start(ed)? (to|talking))\b|第一次|最早")
_LAST = _any(
    r"\b(last|latest|most recent(ly)?|for the last time)\b(?! \d| (few|two|three|minute|hour"
    r"|day|week|month|night|mon|tue|wed|thu|fri|sat|sun))|最后|最近一次|上次"
)
_FOLLOW_UPS: tuple[tuple[FollowUp, re.Pattern[str]], ...] = (
    (
        "when",
        _any(
            r"^\W*(and |so )*(when|what time|at what time) (was|is|did) (that|this|it)"
            r"( happen| said| shown| again)?\W*$|^\W*那是什么时候\W*$|^\W*什么时候\W*$|^\W*when\W*$"
        ),
    ),
    (
        "after",
        _any(
            r"^\W*(and |so )*(what )?(happened |came |comes |was said |did (he|she|they) say )?"
            r"(right |just )?(after that|after this|next|afterwards|then)\W*$"
            r"|^\W*(然后|之后|接下来)(呢)?\W*$"
        ),
    ),
    (
        "before",
        _any(
            r"^\W*(and |so )*(what )?(happened |came |was said |did (he|she|they) say )?"
            r"(right |just )?(before that|before this|beforehand)\W*$|^\W*(之前|在那之前)(呢)?\W*$"
        ),
    ),
    (
        "more",
        _any(
            r"^\W*(tell me more|more|what else|anything else|go on|and)\W*$"
            r"|^\W*(还有|还有呢|继续)\W*$"
        ),
    ),
)


def understand(text: str, time_words: str = "") -> Inquiry:
    """Return what the question `text` asks for; `time_words` is the part read as a time."""
    about = _without(text, time_words)
    kinds = _senses(about)
    sight = _sight(about, kinds)
    asked = _asked(about, text, kinds, sight)
    pick = _pick(about)
    speaker = _speaker(about)
    return Inquiry(
        asked=asked,
        senses=kinds,
        sight=sight,
        polar=_POLAR.search(about) is not None,
        pick=pick,
        terms=_terms(about, asked, pick, speaker),
        speaker=speaker,
        follow_up=next((name for name, pattern in _FOLLOW_UPS if pattern.search(text)), ""),
        chinese=is_chinese(text),
    )


def _pick(text: str) -> Pick:
    if _FIRST.search(text):
        return "first"
    return "last" if _LAST.search(text) else ""


def _speaker(text: str) -> str:
    found = _SPEAKER.search(text)
    return found["who"] if found and terms(found["who"]) else ""


def _terms(text: str, asked: Asked, pick: Pick, speaker: str) -> tuple[str, ...]:
    found = terms(_NOW.sub(" ", text))
    # Who spoke is seldom in what was said; without anything else it is all there is to go by.
    beside = tuple(term for term in found if term not in terms(speaker))
    found = beside or found
    if pick:
        found = tuple(term for term in found if term not in _PICK_WORDS)
    if asked == "digest":
        found = tuple(term for term in found if term not in _WHOLE_WORDS)
    return found


_PICK_WORDS = frozenset(map(stem, word_set("first last latest most recent start")))
_WHOLE_WORDS = frozenset(
    map(
        stem,
        word_set(
            "talk speech conversation meeting lecture presentation film clip session event day"
        ),
    )
)


def _without(text: str, time_words: str) -> str:
    if not time_words:
        return text
    return re.sub(re.escape(time_words), " ", text, count=1, flags=re.IGNORECASE)


def _senses(text: str) -> tuple[Kind, ...]:
    text = _TOLD_US.sub(" ", text)
    kinds: list[Kind] = []
    if _SCREEN.search(text):
        kinds.append("screen")
    if _SPEECH.search(text) and not (kinds and _SCREEN_SAYS.search(text)):
        kinds.append("speech")
    if _SOUND.search(text) and "speech" not in kinds:
        kinds.append("sound")
    if _MOTION.search(text) and "speech" not in kinds and not _MOVED_THING.search(text):
        kinds.append("motion")
    return tuple(kinds)


_SPEAKER = _any(
    r"\b(did|does|do|has|had) (the |my |our )?(?P<who>[^\W\d_]+)( ever| also| just)?"
    r" (say|said|tell|told|mention(ed)?|talk(ed)?|speak|spoken?|announce|explain(ed)?|ask(ed)?)\b"
)
_TOLD_US = _any(
    r"\b(the|this|that) (talk|speech)\b"
    r"|\b((can|could|would) you )?(please )?tell (me|us)\b|告诉我"
)
_SCREEN_SAYS = _any(
    r"\b(screen|slide|sign|title|text|poster|board|label)s? (say|says|said)\b"
    r"|\b(does|did|do) the (\w+ )?(screen|slide|sign|title|text|poster|board|label)s? say\b"
)


# "Where was the piano moved?" asks for words about it; movement has neither place nor name.
_MOVED_THING = _any(
    r"^\W*(and |so )*(where|who|why|what for|how much)\b.*\bmov(e|ed|es|ing)\b|谁.*移动|移动到"
)


def _sight(text: str, kinds: tuple[Kind, ...]) -> Sight:
    if _SPEECH.search(text) or "screen" in kinds:
        return ""
    if _COLOUR.search(text):
        return "colour"
    if _LOOK.search(text) and not _DIGEST.search(text):
        return "look"
    if _NUMBER.search(text) and _NUMBER_SEEN.search(text):
        return "number"
    return ""


def _asked(about: str, text: str, kinds: tuple[Kind, ...], sight: Sight) -> Asked:
    if _COUNT.search(about) or _COUNT_SOUNDS.search(about):
        return "count"
    if _LASTED.search(about):
        return "lasted"
    if _WHEN.search(about) and (kinds or _WHEN_PERCEIVED.search(about)):
        return "when"
    if (_NOW.search(text) or _SEE_NOW.search(text)) and not sight:
        return "now"
    if sight:
        return "sight"
    if _DIGEST.search(about):
        return "digest"
    if "screen" in kinds and "speech" not in kinds:
        return "shown"
    if "sound" in kinds:
        return "heard"
    if "motion" in kinds:
        return "moved"
    if "speech" in kinds:
        return "said"
    return "open"


def _stems(words: str) -> frozenset[str]:
    return frozenset(stem(word) for word in word_set(words))


# Words that name a sense, not a content: "when did something move" is about any motion.
_SENSE_WORDS: dict[Kind, frozenset[str]] = {
    "screen": _stems(
        "text screen slide sign poster board label display title caption subtitle shown printed"
        " 屏幕 文字"
    ),
    "sound": _stems("sound noise noisy loud silence silent quiet 声音 响声 安静"),
    "motion": _stems("move motion movement stir activity 动 移动"),
    "speech": _stems("discuss explain announce speech conversation"),
    "picture": frozenset(),
}


def sense_words(kinds: tuple[Kind, ...]) -> frozenset[str]:
    """Return the words that only name one of these senses, stemmed."""
    return frozenset[str]().union(*(_SENSE_WORDS[kind] for kind in kinds))
