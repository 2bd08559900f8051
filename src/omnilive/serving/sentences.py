"""What a conversation itself says to a person, in the languages of the `language` setting."""

from __future__ import annotations

from omnilive.serving.settings import Language

_SENTENCES: dict[str, dict[Language, str]] = {
    "hearing off": {"en": "Hearing was turned off.", "zh": "听觉已关闭。"},
    "seeing off": {"en": "Seeing was turned off.", "zh": "视觉已关闭。"},
    "nobody": {"en": "Nobody was connected.", "zh": "当时没有连接。"},
    "replaced": {
        "en": "Another connection took the place of this one.",
        "zh": "另一个连接取代了这个连接。",
    },
    "closed": {"en": "The conversation was ended.", "zh": "对话已结束。"},
    "grace": {
        "en": "The conversation was ended because nobody came back.",
        "zh": "没有人回来，对话已结束。",
    },
    "going down": {"en": "The server is going down.", "zh": "服务器正在关闭。"},
}


def sentence(name: str, language: Language) -> str:
    """Return a sentence."""
    return _SENTENCES[name][language]
