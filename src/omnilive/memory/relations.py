"""Questions about what came before or after something else that happened."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from omnilive.events import Kind
from omnilive.memory.tokens import query_words
from omnilive.memory.wordlists import SOUND_WORDS

MAX_CHARACTERS = 2_000
_RELATION = re.compile(
    r"\b(?:(?:right|just|shortly|immediately|directly|soon)\s+)?"
    r"(?P<relation>before|after|following)\s+"
    r"(?P<clause>[^,;?!]{3,300}?)(?=\s*(?:$|[,;?!.]|\b(?:what|who|when|where|which|how)\b))",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"\s*(?:that|this|it|these|those)\b\s*(?:happened)?\s*$", re.IGNORECASE)
_SPOKEN = re.compile(
    r"\b(?:said|says|say|saying|mention\w*|talk\w*|told|ask\w*|spoke|speak\w*|announc\w*|"
    r"explain\w*|greet\w*)\b",
    re.IGNORECASE,
)
_SHOWN = re.compile(
    r"\b(?:slide|screen|title|sign|picture|caption|text|heading|appear\w*|shown|showed|display\w*)"
    r"\b",
    re.IGNORECASE,
)


_CHINESE = re.compile(
    r"(?:^|(?<=[\s,，。:：]))(?:在|从|等|当|自从)?(?P<clause>[^,，。?？!！;；]{1,40}?)"
    r"(?:的?时候)?(?:(?P<after>之后|以后|后(?=[,，]|发生|有|谁|说|出现|屏幕|听|看|是|怎|还|他|她))"
    r"|(?P<before>之前|以前|前(?=[,，]|发生|有|谁|说|出现|屏幕|听|看|是|怎|他|她)))"
)
_CHINESE_BACK = re.compile("^(?:在)?(?:那|这|它|那个|这个|以|之)?$")
_CHINESE_SOUND = re.compile(
    "报警|警报|闹铃|门铃|铃声|铃响|敲门|响|爆炸|掌声|狗叫|哨|音乐|噪音|噪声|尖叫"
)
_CHINESE_SPOKEN = re.compile("说|讲|提到|谈|问|宣布|介绍|解释")
_CHINESE_SHOWN = re.compile("屏幕|画面|幻灯片|标题|文字|出现|显示|图片|照片")


class EventRelation(NamedTuple):
    """What a question hangs on: its anchor in words, what kind it is likely to be, and the rest.

    `is_sound` says that the anchor is a sound, which may be known only as a loud one.
    """

    relation: Literal["before", "after"]
    clause: str
    kinds: tuple[Kind, ...]
    is_sound: bool
    rest: str


def parse_relation(question: str) -> EventRelation | None:
    """Return the relation a question asks about, or None.

    Call it with the time words already taken out: "after 12:30" is a time, not an event.
    """
    question = question[:MAX_CHARACTERS]
    if (chinese := _parse_chinese(question)) is not None:
        return chinese
    for match in _RELATION.finditer(question):
        clause = match["clause"].strip()
        if _POINTS_BACK.fullmatch(clause) or not query_words(clause):
            continue
        words = set(re.findall(r"[a-z]+", clause.lower()))
        is_sound = bool(words & SOUND_WORDS) and not _SPOKEN.search(clause)
        kinds: tuple[Kind, ...] = ()
        if is_sound:
            kinds = ("sound",)
        elif _SPOKEN.search(clause):
            kinds = ("speech",)
        elif _SHOWN.search(clause):
            kinds = ("screen", "picture")
        return EventRelation(
            relation="before" if match["relation"].lower() == "before" else "after",
            clause=clause,
            kinds=kinds,
            is_sound=is_sound,
            rest=question[: match.start()] + " " + question[match.end() :],
        )
    return None


def _parse_chinese(question: str) -> EventRelation | None:
    match = _CHINESE.search(question)
    if match is None or _CHINESE_BACK.match(match["clause"].strip()):
        return None
    clause = match["clause"].strip()
    if not query_words(clause):
        return None
    is_sound = bool(_CHINESE_SOUND.search(clause)) and not _CHINESE_SPOKEN.search(clause)
    kinds: tuple[Kind, ...] = ()
    if is_sound:
        kinds = ("sound",)
    elif _CHINESE_SPOKEN.search(clause):
        kinds = ("speech",)
    elif _CHINESE_SHOWN.search(clause):
        kinds = ("screen", "picture")
    return EventRelation(
        relation="after" if match["after"] else "before",
        clause=clause,
        kinds=kinds,
        is_sound=is_sound,
        rest=question[: match.start()] + " " + question[match.end() :],
    )
