"""The page's files: nothing from elsewhere, nothing inline, every word in both languages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import omnilive.web
from omnilive.serving.messages import COMMANDS, EVENTS
from omnilive.serving.settings import SETTING_NAMES

PAGE = Path(omnilive.web.__file__).parent / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = sorted((PAGE / "js").glob("*.js"))
ENTRIES = ("main.js", "capture_worklet.js", "playback_worklet.js")  # what is loaded by name
LARGEST_BYTES = 200_000  # all of it, uncompressed: a quarter of a second on a slow line
LONGEST_LINES = 300

_IMPORT = re.compile(r'^import\s+(?:(.+?)\s+from\s+)?"([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:function|const|class|let) ([\w$]+)", re.MULTILINE)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BLANK = re.compile(r"\{(\w+)(?:\|[^}]*)?\}")
_MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(")


def _text(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _module(name: str) -> str:
    return _text(f"js/{name}")


def _all_scripts() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in MODULES)


def _without_comments(script: str) -> str:
    return re.sub(r"(?<![:\"'`\w])//.*$", "", script, flags=re.MULTILINE)


def _strings() -> dict[str, tuple[str, str]]:
    body = _without_comments(_module("strings.js"))
    entries = re.findall(r"^  (\w+): \[(.*?)\],$", body, re.MULTILINE | re.DOTALL)
    found = {}
    for key, pair in entries:
        texts = _STRING.findall(pair)
        assert len(texts) == 2, f"{key} has {len(texts)} texts"
        assert key not in found, f"{key} is there twice"
        found[key] = (texts[0], texts[1])
    assert len(found) > 100
    return found


class _Markup(HTMLParser):
    """Collects what a test wants to know of the page's markup."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, dict[str, str]]] = []
        self.inside: list[tuple[str, dict[str, str]]] = []
        self.feed(_text("index.html"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.inside.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((data.strip(), self.inside[-1][1]))


@pytest.fixture(scope="module")
def markup() -> _Markup:
    return _Markup()


def test_nothing_comes_from_another_host() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"""(?:https?:|wss?:)?//[\w.-]+\.\w+[^\s"'`)]*""", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


def test_nothing_is_inline(markup: _Markup) -> None:
    for tag, attributes in markup.tags:
        assert tag != "style"
        assert not any(name == "style" or name.startswith("on") for name in attributes), attributes
        if tag == "script":
            assert attributes["src"].startswith("/static/")
    assert "javascript:" not in _text("index.html")


def test_every_file_named_is_there(markup: _Markup) -> None:
    named = [attributes.get("src") or attributes.get("href") or "" for _, attributes in markup.tags]
    files = [name for name in named if name and not name.startswith("#")]
    assert len(files) > 5
    for name in [*files, *re.findall(r'"(/static/[^"]+)"', _all_scripts())]:
        assert (PAGE / name.removeprefix("/static/")).is_file(), name


def test_every_icon_named_is_there(markup: _Markup) -> None:
    drawn = {attributes["id"] for tag, attributes in markup.tags if tag == "symbol"}
    used = {attributes["href"].removeprefix("#") for tag, attributes in markup.tags if tag == "use"}
    used |= {f"i-{name}" for name in re.findall(r'\bicon\("([\w-]+)"', _all_scripts())}
    assert used <= drawn


def test_ids_are_unique_and_those_asked_for_exist(markup: _Markup) -> None:
    ids = [attributes["id"] for _, attributes in markup.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    made = set(re.findall(r'\bid: "([\w-]+)"', _all_scripts()))
    made |= set(re.findall(r'\b(?:toggle|choice)\("([\w-]+)"', _all_scripts()))
    asked = set(re.findall(r'\$\("([\w-]+)"\)', _all_scripts()))
    assert asked <= set(ids) | made


def test_every_control_has_a_name(markup: _Markup) -> None:
    labelled = {attributes["for"] for tag, attributes in markup.tags if "for" in attributes}
    for tag, attributes in markup.tags:
        if tag in ("input", "textarea", "select") and attributes.get("type") != "checkbox":
            assert attributes["id"] in labelled or "aria-label" in attributes, attributes


def test_data_never_becomes_markup_or_code() -> None:
    for path in MODULES:
        script = path.read_text(encoding="utf-8")
        for word in (*_MARKUP, "new Function", 'setAttribute("style"'):
            assert word not in script, f"{path.name}: {word}"


def _imports(name: str) -> list[tuple[str, str]]:
    return [(names, target.removeprefix("./")) for names, target in _IMPORT.findall(_module(name))]


def test_what_is_imported_is_exported() -> None:
    for path in MODULES:
        for names, target in _imports(path.name):
            assert (PAGE / "js" / target).is_file(), f"{path.name} imports {target}"
            exported = set(_EXPORT.findall(_module(target)))
            if names.startswith("{"):
                wanted = {name.split(" as ")[0].strip() for name in names.strip("{} ").split(",")}
                assert wanted <= exported, f"{path.name}: {wanted - exported}"


def test_every_module_is_used_and_none_in_a_circle() -> None:
    seen: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in seen:
            seen.append(name)
            for _, target in _imports(name):
                visit(target, (*above, name))

    for name in ENTRIES:
        visit(name, ())
    assert {path.name for path in MODULES} - set(seen) == {"first.js"}


def test_nothing_exported_is_forgotten() -> None:
    for path in MODULES:
        for name in _EXPORT.findall(path.read_text(encoding="utf-8")):
            uses = re.findall(rf"(?<![\w$]){re.escape(name)}(?![\w$])", _all_scripts())
            assert len(uses) > 1, f"{path.name}: {name}"


def test_every_text_is_in_both_languages() -> None:
    for key, (english, chinese) in _strings().items():
        assert english.strip(), key
        assert sorted(_BLANK.findall(english)) == sorted(_BLANK.findall(chinese)), key
        assert re.search(r"[\u4e00-\u9fff]", chinese), f"{key} is not Chinese: {chinese}"
        assert not re.search(r"[\u4e00-\u9fff]", english), key
        # What stays in Latin letters are names and things one types.
        left = re.sub(
            r"\{.*?\}|OmniLive|omnilive serve|WebRTC|https?|localhost|--tls self", "", chinese
        )
        assert not re.search(
            r"[A-Za-z]{2,}", left.replace("JavaScript", "").replace("Shift", "")
        ), chinese


def test_every_text_asked_for_is_there_and_every_one_there_is_asked_for(markup: _Markup) -> None:
    strings = _strings()
    scripts = _without_comments(_all_scripts().replace(_module("strings.js"), ""))
    asked = set(re.findall(r'\bt\("(\w+)"', scripts))
    marked = {
        attributes[name]
        for _, attributes in markup.tags
        for name in ("data-t", "data-t-label", "data-t-placeholder")
        if name in attributes
    }
    assert asked | marked <= set(strings)
    # Keys are also handed on as words, or made of a name and what follows it.
    words = set(re.findall(r'["`](\w+)["`]', scripts)) | asked | marked
    starts = tuple(set(re.findall(r"`(\w+_)\$\{", scripts)) | {"mic_", "cam_"})
    for key in strings:
        assert key in words or key.startswith(starts), f"{key} is never said"


def test_the_markup_says_what_the_english_texts_say(markup: _Markup) -> None:
    strings = _strings()
    for text, attributes in markup.texts:
        if text == "OmniLive":
            continue
        assert text == strings[attributes["data-t"]][0]
    for _, attributes in markup.tags:
        for marked, shown in (
            ("data-t-label", "aria-label"),
            ("data-t-placeholder", "placeholder"),
        ):
            if marked in attributes:
                assert attributes[shown] == strings[attributes[marked]][0]


def test_every_event_is_taken_or_left_alone_on_purpose() -> None:
    taken = set(re.findall(r'\bon\("(\w+)", ', _all_scripts()))
    ignored = set(re.findall(r"^  (\w+): \"", _module("events.js"), re.MULTILINE))
    assert taken & ignored == set()
    assert taken | ignored == set(EVENTS)


def test_every_command_and_setting_is_offered() -> None:
    scripts = _all_scripts()
    sent = set(re.findall(r'\bcommand(?:\(|: )"(\w+)"', scripts))
    assert sent == set(COMMANDS)
    settings = _module("settings.js")
    for name in SETTING_NAMES:
        assert f'"{name}"' in settings, name


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < LARGEST_BYTES
    for path in FILES:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= LONGEST_LINES, f"{path.name} has {lines} lines"


def test_every_module_says_what_it_is_for() -> None:
    for path in [*MODULES, *sorted((PAGE / "css").glob("*.css"))]:
        assert path.read_text(encoding="utf-8").startswith(("// ", "/* ")), path.name


def test_motion_and_theme_are_a_persons_choice() -> None:
    styles = "\n".join(path.read_text(encoding="utf-8") for path in (PAGE / "css").glob("*.css"))
    assert "prefers-reduced-motion: reduce" in styles
    assert "prefers-color-scheme: dark" in styles
    assert ':root[data-theme="dark"]' in styles
    # Both ways into the dark say the same.
    dark = re.findall(r"color-scheme: dark;(.*?)\}", styles, re.DOTALL)
    assert len(dark) == 2
    assert dark[0].split() == dark[1].split()
