"""Every sentence frame of the embedded answerer, in English and in Chinese.

Remembered text is always put between quotation marks by these frames, so that a reader can
tell what was perceived from what is said about it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """The frames of one language; `{when}`, `{text}` and the like are filled in.

    `speech` to `picture` tell one moment each, `when` already holding its time.
    """

    quote: str
    at: str
    position: str
    on_day: str
    and_: str
    join: str
    sep: str
    stop: str
    speech: str
    screen: str
    sound: str
    silence: str
    motion: str
    picture: str
    picture_bare: str
    yes: str
    no: str
    not_found: str
    not_in_span: str
    span: str
    stretch: str
    position_brief: str
    lasting: str
    elsewhere_said: str
    elsewhere_shown: str
    watched: str
    watched_nothing: str
    nearest: str
    counted: str
    counted_once: str
    counted_shown: str
    lasted: str
    lasted_unknown: str
    after: str
    before: str
    nothing_after: str
    nothing_before: str
    no_anchor: str
    digest: str
    digest_all: str
    digest_speech: str
    digest_screen: str
    digest_sound: str
    digest_motion: str
    digest_picture: str
    digest_changes: str
    digest_more: str
    digest_quiet: str
    now: str
    now_nothing: str
    no_eyes_colour: str
    no_eyes_number: str
    no_eyes_look: str
    eyes_help: str
    may_show: str
    but_words: str
    no_sound_names: str
    no_motion_names: str
    no_voices: str
    no_before: str
    server_failed: str
    looked_like: str
    looked_like_now: str
    looked_before: str
    not_looked_like: str
    seconds: str
    minutes: str


ENGLISH = Phrases(
    quote='"{text}"',
    at="at {clock}",
    position=" ({position} into {name})",
    on_day="on {day} at {clock}",
    and_=" and ",
    join=", ",
    sep="; ",
    stop=".",
    speech="{when} it was said: {text}",
    screen="{when} the screen showed: {text}",
    sound="{when} there was a {text}",
    silence="{when} there was silence for {length}",
    motion="{when} something moved for {length}",
    picture="{when} a vision model described the picture as: {text}",
    picture_bare="{when} the picture changed",
    yes="Yes: ",
    no="No. ",
    not_found="I have not seen or heard that.",
    not_in_span="I have nothing like that {span}.",
    span="between {start} and {end}",
    stretch="from {start} to {end}",
    position_brief=" ({position})",
    lasting=" for {length}",
    elsewhere_said="I did not hear that said, but ",
    elsewhere_shown="I did not read that on the screen, but ",
    watched="I have watched {spans}.",
    watched_nothing="I have not watched anything yet.",
    nearest="The nearest I have, which may not be it: ",
    counted="{count} times: ",
    counted_once="Once: ",
    counted_shown="{count} times, of which I list {shown}: ",
    lasted="It lasted {length}: ",
    lasted_unknown="I cannot tell how long that lasted, only when it was noticed: ",
    after="After that ({anchor}), ",
    before="Before that ({anchor}), ",
    nothing_after="I have nothing of the kind after that ({anchor}).",
    nothing_before="I have nothing of the kind before that ({anchor}).",
    no_anchor="I did not find the moment that your question refers to.",
    digest="{span}: ",
    digest_all="In what I remember: ",
    digest_speech="Said ({count}): {items}.",
    digest_screen="On the screen ({count}): {items}.",
    digest_sound="Sounds ({count}): {items}.",
    digest_motion="Movement ({count}): {items}.",
    digest_picture="In the picture, as a vision model described it ({count}): {items}.",
    digest_changes="The picture changed ({count}): {items}.",
    digest_more="That is a selection of {count} moments.",
    digest_quiet="Nothing was said, shown or heard {span}, and nothing moved.",
    now="The newest I have: ",
    now_nothing="I have nothing of the present yet.",
    no_eyes_colour="I cannot tell colours: I hear, read text and notice movement, but have no eyes "
    "for objects.",
    no_eyes_number="I cannot count what is in the picture: I hear, read text and notice movement, "
    "but have no eyes for objects.",
    no_eyes_look="I cannot tell what is in the picture: I hear, read text and notice movement, but "
    "have no eyes for people and objects.",
    eyes_help="A vision-language server would give me eyes (--vlm URL --vlm-model NAME).",
    may_show="These moments may show it: ",
    but_words="But there are words about it: ",
    no_sound_names="I notice loud sounds and silence, but cannot tell what made them.",
    no_motion_names="I notice that something moves, but not what it is.",
    no_voices="I cannot tell voices apart.",
    no_before="There is no earlier answer in this conversation that this could refer to.",
    server_failed="The vision-language server did not answer, so this rests on what I heard and "
    "read. ",
    looked_like="It last looked like this {when}.",
    looked_like_now="It looks like this now, since {when}.",
    looked_before="Before that it did {items}.",
    not_looked_like="I have not seen it look like this.",
    seconds="{count} s",
    minutes="{minutes} min {seconds} s",
)

CHINESE = Phrases(
    quote="“{text}”",
    at="{clock}",
    position="（{name} 的 {position} 处）",
    on_day="{day} {clock}",
    and_="和",
    join="、",
    sep="；",
    stop="。",
    speech="{when}有人说：{text}",
    screen="{when}屏幕上显示：{text}",
    sound="{when}有一声响动（{text}）",
    silence="{when}安静了 {length}",
    motion="{when}有东西在动，持续 {length}",
    picture="{when}视觉模型对画面的描述是：{text}",
    picture_bare="{when}画面有变化",
    yes="是的：",
    no="没有。",
    not_found="我没有看到或听到过。",
    not_in_span="{span}，我没有这样的记忆。",
    span="{start} 到 {end} 之间",
    stretch="{start} 到 {end}",
    position_brief="（{position}）",
    lasting="，持续 {length}",
    elsewhere_said="没有听到有人说，不过",
    elsewhere_shown="屏幕上没有读到，不过",
    watched="我看过的时段：{spans}。",
    watched_nothing="我还没有看过任何内容。",
    nearest="最接近的内容（不一定就是）：",
    counted="{count} 次：",
    counted_once="1 次：",
    counted_shown="{count} 次，以下列出其中 {shown} 次：",
    lasted="持续了 {length}：",
    lasted_unknown="我无法判断持续了多久，只知道是什么时候注意到的：",
    after="在那之后（{anchor}），",
    before="在那之前（{anchor}），",
    nothing_after="在那之后（{anchor}）没有这样的内容。",
    nothing_before="在那之前（{anchor}）没有这样的内容。",
    no_anchor="我没有找到问题所指的那个时刻。",
    digest="{span}：",
    digest_all="在我的记忆中：",
    digest_speech="说的话（{count}）：{items}。",
    digest_screen="屏幕上的文字（{count}）：{items}。",
    digest_sound="声音（{count}）：{items}。",
    digest_motion="动静（{count}）：{items}。",
    digest_picture="视觉模型对画面的描述（{count}）：{items}。",
    digest_changes="画面变化（{count}）：{items}。",
    digest_more="以上选自 {count} 个时刻。",
    digest_quiet="{span}没有人说话，没有新的文字和声音，也没有东西在动。",
    now="最新的内容：",
    now_nothing="我还没有当前的内容。",
    no_eyes_colour="我无法分辨颜色：我能听、能读文字、能发现移动，但看不懂物体。",
    no_eyes_number="我无法数出画面里有多少：我能听、能读文字、能发现移动，但看不懂物体。",
    no_eyes_look="我无法判断画面里有什么：我能听、能读文字、能发现移动，但看不懂人和物体。",
    eyes_help="接上视觉语言模型服务器就能看（--vlm URL --vlm-model NAME）。",
    may_show="这些时刻也许能看到：",
    but_words="不过有相关的话或文字：",
    no_sound_names="我能发现响声和安静，但不知道声音来自什么。",
    no_motion_names="我能发现有东西在动，但不知道是什么。",
    no_voices="我分不清是谁的声音。",
    no_before="这次对话里没有可以参照的上一个回答。",
    server_failed="视觉语言模型服务器没有回答，以下只根据我听到和读到的内容。",
    looked_like="上一次看起来是这样：{when}。",
    looked_like_now="现在看起来就是这样，从{when}开始。",
    looked_before="在那之前：{items}。",
    not_looked_like="我没有见过它是这个样子。",
    seconds="{count} 秒",
    minutes="{minutes} 分 {seconds} 秒",
)
