"""When a user's turn is over: how long its silence must last, by whether its words sound finished.

The voice detector says where a voice paused; a pause after "where did I put the" is no end. What a
reader would not guess: a small recogniser closes whatever it is given with a full stop or a
question mark, so the last words decide and the mark only where they leave it open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

from omnilive.errors import ConfigError
from omnilive.perception.voice_activity import BLOCK_NS

Completeness: TypeAlias = Literal["finished", "unsure", "unfinished"]


@dataclass(frozen=True, kw_only=True)
class TurnEndConfig:
    """When a user's turn is over, in silence since the voice stopped.

    Attributes:
        pause_ms: a pause this long settles what was said so far; the turn may still go on.
        min_delay_ms: silence that ends a turn whose words sound finished.
        unsure_delay_ms: silence that ends it where they may be.
        max_delay_ms: silence that ends it where they sound unfinished.
    """

    pause_ms: int = 200
    min_delay_ms: int = 300
    unsure_delay_ms: int = 700
    max_delay_ms: int = 1500

    def __post_init__(self) -> None:
        delays = [self.pause_ms, self.min_delay_ms, self.unsure_delay_ms, self.max_delay_ms]
        if delays[0] < 64 or delays[-1] > 10_000 or delays != sorted(delays):
            raise ConfigError(
                "turn_end: 64 <= pause_ms <= min_delay_ms <= unsure_delay_ms <= max_delay_ms "
                "<= 10000 must hold."
            )

    def delay_blocks(self, text: str) -> int:
        """Return after how many blocks without voice a turn of these words is over."""
        delay_ms = {
            "finished": self.min_delay_ms,
            "unsure": self.unsure_delay_ms,
            "unfinished": self.max_delay_ms,
        }[completeness(text)]
        return ceil(delay_ms * 1_000_000 / BLOCK_NS)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILLERS = _words("um uh uhm umm uhh er erm hmm hm mm ah eh like well so")
# Nothing that is said ends in one of these.
_OPEN = _words(
    """
    a an the my your his their our its every each and or but nor because although though unless
    whereas if than as whether while until since very quite rather too such
    i'm you're we're they're he's she's i'd i've we've i'll let's there's what's where's who's
    """
)
# These end a question that began with its object ("where are you from?"), and little else.
_PREPOSITIONS = _words(
    """
    of to in on at for with from by about into onto over under between behind near like around
    through against after before during without within across off up out next
    """
)
# A clause may end in them, but seldom does.
_LEADING = _words(
    """
    is are was were be been am do does did have has had can could will would shall should may might
    must don't doesn't didn't isn't aren't wasn't can't couldn't won't wouldn't i we they he she
    who what when where which why how that this these those some any another other no not just
    also then when's really want wants wanted going put tell show give find remember know mean
    """
)
_ASKING = _words(
    """
    what where when who whom whose which why how what's where's when's who's why's how's do does
    did is are was were have has had can could will would should shall may might am isn't aren't
    don't doesn't didn't can't couldn't won't wouldn't
    """
)
_WH = _words("what where when who whom whose which why how what's where's who's how's when's")
_HAS_VERB = _words("what's where's who's")
_OBJECT = _words("what where who whom which")
_BE = _words("is are was were do does did has have had can could will would should")
_AWAY = _words("in on off up out over by around through")  # "who came in?"
_PRONOUNS = _words("i you we he she it they")
_ORDERS = _words("tell show give find remind describe summarize summarise list explain repeat read")
_LEADS = _words("um uh uhm er erm hmm hm ah oh well so and but or okay ok now then hey hi please")
_REPLIES = _words(
    """
    yes yeah yep no nope stop okay ok thanks sure right hello hi hey bye goodbye please wait
    continue cancel enough exactly great good fine cool nice alright
    """
)
# "Can you tell me" wants more; "can you hear me" does not.
_WANTS_MORE = re.compile(
    r"\b((tell|show|give|remind|ask|let) (me|us)|(want|like|need|wanted) to (know|ask|see|hear)"
    r"|do you (know|remember|think)|i (think|guess|mean|wonder|was wondering|believe)"
    r"|(say|said|tell|told|know|hear|heard|learn) (me |us )?about"
    r"|(kind|sort|lot|couple|one|some|most|all) of|you know|in order|such as|due|because of"
    r"|the (same|first|last|next|other|most|big|small|new|old))$"
)
_WORD = re.compile(r"[a-z0-9]+(?:['\u2019][a-z]+)*")
_HAN = re.compile("[\u3400-\u9fff]")
_CHINESE_OPEN = re.compile(
    "(的话|但是|可是|因为|所以|如果|然后|而且|或者|还有|那个|这个|就是|比如|关于|虽然|不过|以及|和|跟"
    "|把|被|在|给|对|从|到|向|比|与|或|嗯|呃|那|我想|请问|你能|我觉得)$"
)
_CHINESE_DONE = re.compile(
    "(吗|呢|吧|了|啊|呀|什么|哪里|哪儿|谁|多少|几点|怎么样|怎么办|为什么|没有|谢谢|好的|是的|对的)$"
)
_ENDS = " \t\r\n\"')]\u201d\u2019.!?;:\u3002\uff01\uff1f"


def completeness(text: str) -> Completeness:
    """Return whether words sound like the whole of what somebody wanted to say.

    No words at all count as finished: nothing is waited for after a cough.
    """
    text = text.strip()
    if not text:
        return "finished"
    if text.endswith(("...", "\u2026", ",", "\uff0c", "\u3001", "-", "\u2014")):
        return "unfinished"
    if _HAN.search(text):
        return _chinese(text)
    words = _WORD.findall(text.casefold().replace("\u2019", "'"))
    if not words:
        return "unsure"
    body = _without_lead(words)
    last = words[-1]
    if last in _OPEN or (last in _FILLERS and not (last == "like" and body[0] in _WH)):
        return "unfinished"
    # "When I came home" tells of something, "what he said" too.
    is_question = len(body) > 2 and body[0] in _ASKING
    is_question = is_question and not (body[0] in _WH and body[1] in _PRONOUNS)
    if _WANTS_MORE.search(" ".join(words)):
        return "unfinished"
    if last in _PREPOSITIONS:
        # "Where are you from?" may be all; "how many were in" and "what happened after" are not.
        has_object = body[0] in _OBJECT and (body[1] in _BE or (len(body) == 3 and last in _AWAY))
        is_whole = is_question and (body[0] in _HAS_VERB or has_object)
        return "unsure" if is_whole else "unfinished"
    if last in _LEADING:
        # "What is this?", "tell me where it is": what the words ask for may be all there.
        return "unsure" if len(body) > 2 and (is_question or body[0] in _ORDERS) else "unfinished"
    if is_question or text.rstrip("\"' ").endswith("?"):
        return "finished" if len(body) > 2 else "unsure"
    if all(word in _REPLIES for word in words) or (body[0] in _ORDERS and len(body) > 3):
        return "finished"
    if len(body) >= 4 and text[-1] in ".!":
        return "finished"
    return "unsure"


def _without_lead(words: list[str]) -> list[str]:
    start = 0
    while start < len(words) - 1 and words[start] in _LEADS:
        start += 1
    return words[start:]


def _chinese(text: str) -> Completeness:
    bare = text.rstrip(_ENDS)
    if _CHINESE_OPEN.search(bare):
        return "unfinished"
    if _CHINESE_DONE.search(bare) or text[-1] in "?\uff1f":
        return "finished"
    return "finished" if len(bare) >= 6 and text[-1] in "。.!！" else "unsure"
