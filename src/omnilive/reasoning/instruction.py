"""Instruction prediction by rules: is this sentence something for us to answer?

The paper trains a classifier for it; these rules need no model and can be read. They look at
how the sentence begins and ends, because a recogniser's question marks cannot be relied on.
"""

from __future__ import annotations

import re

from omnilive.events import Needs
from omnilive.reasoning.words import is_chinese, tokens, word_set

_FILLERS = word_set(
    """
    um uh uhm er erm hmm hm mm ah oh eh like well so and but okay ok
    """
)
_BACKCHANNELS = word_set(
    """
    yes yeah yep yup no nope okay ok right sure fine good great nice cool wow really
    indeed exactly true mm mhm uh-huh aha huh thanks thank you bye hello hi hey alright
    got it i see of course absolutely oh ah hmm never mind sorry excuse me
    """
)
_LEADS = word_set(
    """
    um uh uhm er erm hmm hm ah oh well so and but or okay ok now then also hey hi please
    """
)
_WH = word_set(
    """
    what where when who whom whose which why how what's where's when's who's why's how's
    what're what'd where'd who'd how'd
    """
)
_AUXILIARIES = word_set(
    """
    do does did is are was were have has had can could will would should shall may might
    am don't doesn't didn't isn't aren't wasn't weren't haven't hasn't can't couldn't
    won't wouldn't
    """
)
_SUBJECTS = word_set(
    """
    i you we he she it they there this that these those the a an any anyone anybody
    anything someone somebody something everyone everybody people my your his her our
    their all
    """
)
_PRONOUNS = word_set(
    """
    i you we he she it they i'm i've i'd you're we're they're it's
    """
)
_IMPERATIVES = word_set(
    """
    tell show give find list remind describe summarize summarise recap explain repeat
    count read search check name compare translate play
    """
)
_SURE_IMPERATIVES = word_set(
    """
    list describe summarize summarise recap remind
    """
)
_OBJECTS = word_set(
    """
    me us the all every each what where when who which how any my our it that this for if
    whether through again
    """
)
_DEGREES = word_set(
    """
    many much often long far old big late soon do did does is are was were
    """
)
_SELF_TALK = re.compile(
    r"^(let me (see|think)|what was i (going to say|saying|thinking)|where was i$|what am i doing"
    r"|how (do|should|can) i (say|put) (this|that|it)|what's (his|her|the) name again"
    r"|who knows|why not$|what the |what a |what an |why me$|what do i know)"
)
_TAGS = frozenset(
    ("right", "okay", "ok", "you know", "really", "huh", "yeah", "no", "what", "isn't it", "eh")
)
_WANTS = re.compile(
    r"^(i (want|need|would like|wish) to (know|hear|see)|i'd (like|love) to (know|hear|see)"
    r"|i (want|need) you to|i (was )?wonder(ing)?( if| what| when| where| who| how| whether)"
    r"|let me know|look up|any idea|((what )?happened |what came )?(after|before) (that|this)$)"
)
_CHINESE_ASKS = re.compile(
    "[?？]$|什么|哪|谁|几次|几点|几个|多少|怎么|为何|吗[。！]?$|呢[。！]?$|是否|有没有|是不是"
    "|^(请|告诉|帮我|给我|总结|描述|列出|找|查)"
)
_CHINESE_BACKCHANNEL = re.compile("^[嗯啊哦噢好的对是行可以谢没错了吧呀哈,，。！!~ ]+$")

_PRESENT = re.compile(
    r"\b(right now|now|currently|at the moment|at present|presently|at this moment)\b"
    r"|\bwhat (do|can) you (see|hear)\b|\bwhat (is|'s) (happening|going on|visible)\b"
    r"|\bwhat's (happening|going on)\b|现在|目前|此刻|正在|当前"
    # What only points, and asks no more, points at what is there.
    r"|^\s*(and |so |now |okay )?(what|who|where|which)( \w+| (kind|sort|type) of \w+)?"
    r" ?(is|are|'s) (this|these)\W*$|^\s*how (many|big|large|tall) (\w+ )?(are|is) "
    r"(there|here|these|this)\W*$|^(这是什么|这是哪里|这里是哪里|这是谁)\W*$"
)
_NOT_NOW = re.compile(
    r"\b(until|till|up to|by|before|from|so far|just) now\b"
    r"|^\s*(okay |so |and )?now\b(?=,| what| wh)"
)
_PAST = re.compile(
    r"\b(did|was|were|had|said|happened|earlier|before|yesterday|ago|last|since|changed|morning"
    r"|previously|so far)\b|刚才|之前|昨天|以前|过"
)


def why_not_for_us(text: str, names: tuple[str, ...]) -> str:
    """Return "" if `text` is something for us to answer, else why not, in a word or two."""
    words = tokens(text)
    if not any(character.isalpha() for word in words for character in word):
        return "no words"
    if is_chinese(text):
        return _chinese(text)
    if all(word in _FILLERS for word in words):
        return "filler"
    if all(word in _BACKCHANNELS or word in _FILLERS for word in words) and len(words) <= 5:
        return "backchannel"
    body = _without_lead(words)
    asked = text.rstrip(" \"'.!").endswith("?")
    if body and (body[0] in names or body[-1] in names):
        return "" if len(body) > 1 else "only the name"
    sentence = " ".join(body)
    if _SELF_TALK.match(sentence):
        return "self-talk"
    if asked:
        return "backchannel" if sentence in _TAGS else ""
    if _begins_like_a_question(body, text) or _begins_like_an_order(body) or _WANTS.match(sentence):
        return ""
    last = [part for part in re.split(r"[.!;]\s+", text) if part.strip()]
    if len(last) > 1:
        return why_not_for_us(last[-1], names)
    return "talk"


def is_murmur(text: str) -> bool:
    """Whether `text` is nothing, a filler or a backchannel: no word that takes the floor."""
    words = tokens(text)
    if not any(character.isalpha() for word in words for character in word):
        return True
    if is_chinese(text):
        return _CHINESE_BACKCHANNEL.match(text.strip()) is not None
    return len(words) <= 5 and all(word in _BACKCHANNELS or word in _FILLERS for word in words)


def needs_of(text: str) -> Needs:
    """Return whether the question asks for the past, the present or both."""
    folded = text.casefold().replace("\u2019", "'")
    present = _PRESENT.search(_NOT_NOW.sub(" ", folded)) is not None
    if not present:
        return "past"
    return "both" if _PAST.search(folded) else "present"


def _without_lead(words: tuple[str, ...]) -> tuple[str, ...]:
    i = 0
    while i < len(words) - 1 and words[i] in _LEADS:
        i += 1
    if words[i : i + 3] == ("by", "the", "way"):
        i += 3
    return words[i:]


def _begins_like_a_question(body: tuple[str, ...], text: str) -> bool:
    if len(body) < 2:
        return False
    first, second = body[0], body[1]
    if first in _WH:
        if first == "how":
            return second in _DEGREES | _AUXILIARIES | {"about", "come"} or second not in _PRONOUNS
        if first in ("what", "when", "where", "which", "why", "who") and second in _PRONOUNS:
            return False  # "when I was young", "what I mean is"
        if first == "which" and second in ("is", "means", "was"):
            return False
        # "when the bell rings we leave" tells; "when the bell" asks nothing either.
        return not (first == "when" and second in ("the", "a", "an", "my", "people"))
    if first not in _AUXILIARIES:
        return False
    if second in ("not", "n't") or (first in ("have", "do") and second in ("a", "it", "an", "the")):
        return False
    if second in _SUBJECTS or len(body) > 3 and first in ("did", "does"):
        return True
    # A name may follow: "did Anna call", "is Tom there".
    return re.search(rf"\b{re.escape(second)}\b", text) is None and len(body) > 2


def _begins_like_an_order(body: tuple[str, ...]) -> bool:
    if not body or body[0] not in _IMPERATIVES:
        return False
    if body[0] in _SURE_IMPERATIVES:
        return True
    return len(body) > 1 and body[1] in _OBJECTS


def _chinese(text: str) -> str:
    bare = text.strip()
    if _CHINESE_BACKCHANNEL.match(bare):
        return "backchannel"
    return "" if _CHINESE_ASKS.search(bare) else "talk"
