"""Words that carry no content, or little, and forms that no rule of spelling brings together."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """Return the words of a list that is written as text."""
    return text.split()


# Never searched for: they are in every question and in most sentences.
STOP_WORDS = frozenset(
    words(
        """
    a an the this that these those it its he him his she her hers they them their theirs i
    me my mine you your yours we us our ours one ones and or but nor so if then than as of
    in on at to from by for with about into onto over under up down out off through during
    between before after since until till while when where what which who whom whose why
    how is are was were be been being am do does did doing done has have had having will
    would shall should can could may might must not no any some every each all both either
    neither anyone anybody anything someone somebody something everyone everybody
    everything ever never there here again please just only also too very more most much
    many often time times last first next ago now today yesterday whether let
    lets hey okay ok yes im ive its thats whats theres wheres didnt doesnt dont isnt wasnt
    werent hasnt havent didn't doesn't don't isn't wasn't weren't hasn't haven't what's
    that's there's where's who's it's i'm i've exactly
    """
    )
)

# They frame a question ("did anyone mention"); they count only a little.
FRAMING_VERBS = frozenset(
    words(
        """
        say says said tell told talk talked talks speak spoke speaking mention mentioned
        mentions ask asked discuss discussed describe hear heard listen listened see saw
        seen look looked watch watched show showed shown shows appear appeared happen
        happened happens occur occurred come came go went put get got give gave take took
        make made use used want need know think thought mean find found begin began start
        started stop stopped end ended read write wrote written
        """
    )
)

# What carries the content ("which slide"); they count a little more.
FRAMING_NOUNS = frozenset(
    words(
        """
        screen slide slides picture pictures image images video videos clip clips frame
        text word words sentence line lines sign title heading recording stream camera
        film scene moment minute minutes second seconds hour hours morning afternoon
        evening night day person people man woman speaker voice guy lady thing things kind
        sort part bit
        """
    )
)


IRREGULAR = {
    "said": "say",
    "told": "tell",
    "spoke": "speak",
    "spoken": "speak",
    "saw": "see",
    "seen": "see",
    "heard": "hear",
    "went": "go",
    "gone": "go",
    "came": "come",
    "left": "leave",
    "found": "find",
    "bought": "buy",
    "brought": "bring",
    "thought": "think",
    "wrote": "write",
    "written": "write",
    "shown": "show",
    "ran": "run",
    "began": "begin",
    "begun": "begin",
    "kept": "keep",
    "took": "take",
    "taken": "take",
    "gave": "give",
    "given": "give",
    "made": "make",
    "got": "get",
    "gotten": "get",
    "met": "meet",
    "paid": "pay",
    "sold": "sell",
    "sent": "send",
    "lost": "lose",
    "won": "win",
    "broke": "break",
    "broken": "break",
    "chose": "choose",
    "chosen": "choose",
    "drove": "drive",
    "ate": "eat",
    "fell": "fall",
    "knew": "know",
    "rang": "ring",
    "children": "child",
    "men": "man",
    "women": "woman",
    "people": "person",
    "feet": "foot",
    "mice": "mouse",
    "teeth": "tooth",
    "lives": "life",
    "knives": "knife",
    "leaves": "leave",
}

NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        words(
            """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
    """
        )
    )
}

# Question words, particles and pronouns at which a Chinese question is cut into content words.
CHINESE_FILLERS = (
    "什么时候",
    "什么",
    "为什么",
    "怎么样",
    "怎么",
    "哪里",
    "哪儿",
    "哪个",
    "多少次",
    "多少",
    "几次",
    "几点",
    "有没有人",
    "有没有",
    "没有人",
    "没有",
    "是不是",
    "是否",
    "请问",
    "请",
    "告诉我",
    "提到",
    "提过",
    "说过",
    "说了",
    "讲过",
    "关于",
    "刚才",
    "现在",
    "我们",
    "你们",
    "他们",
    "她们",
    "有人",
    "说完",
    "讲完",
    "谈完",
    "听说",
    "之后",
    "以后",
    "之前",
    "以前",
    "哪天",
    "哪些",
    "哪一",
    "多久",
    "几个",
    "怎样",
    "如何",
    "何时",
    "这个",
    "那个",
    "这些",
    "那些",
    "一下",
    "可以",
    "还有",
    "然后",
    "谁",
    "吗",
    "呢",
    "吧",
    "啊",
    "的",
    "了",
    "是",
    "在",
    "有",
    "过",
    "说",
    "我",
    "你",
    "他",
    "她",
    "它",
    "被",
    "把",
    "和",
    "与",
)

# They frame a Chinese question as FRAMING_VERBS and FRAMING_NOUNS do an English one.
CHINESE_FRAMING_VERBS = words("讨论 谈论 谈到 说到 讲到 看到 看见 听到 听见 发生 出现 显示 写着")
CHINESE_FRAMING_NOUNS = words("屏幕 画面 标题 视频 图片 照片 文字 声音 事情 东西 时候 内容 部分")

# What people call a sound that the level meter only knows as loud.
SOUND_WORDS = frozenset(
    words(
        """
    alarm alarms beep beeps beeping buzz buzzer bang crash noise noises siren bell
    doorbell ring ringing knock knocking bark barking whistle horn explosion shot clap
    applause scream thud tone boom music phone sound
    """
    )
)

SHOWN_TEXT = {"picture": "the picture changed", "motion": "something moved"}
