"""The public surface of the command line: verbs, options, JSON fields, exit codes.

Fields and options may be added; what is listed here must stay.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cli_support import run
from world_support import video, watched

README = Path(__file__).parent.parent.parent / "README.md"

CITATION = {"id", "stream", "start_s", "end_s", "at", "kind", "text", "playable"}
FIELDS = {
    "utterance": {"event", "id", "stream", "start_s", "end_s", "at", "text", "speaker"},
    "screen_text": {"event", "id", "stream", "start_s", "end_s", "at", "text"},
    "sound": {"event", "id", "stream", "start_s", "end_s", "at", "label"},
    "clip": {"event", "id", "start_s", "end_s", "stream", "at"},
    "answer": {"event", "question", "answer", "known", "citations", "took_ms"},
    "summary": {"event", "stream_s", "wall_s", "clips", "utterances", "dropped"},
}
AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")

OPTIONS = {
    ("watch",): (
        "--store --stream --fast --realtime --ask --speak --json --started-at --again --voice "
        "--detect --no-record --vlm --vlm-model --preset --weights --config"
    ),
    ("ask",): "--store --stream --picture --json --vlm --vlm-model --preset --weights",
    ("demo",): "--out --seed --seconds --preset --weights --json",
    ("serve",): (
        "--store --host --port --max-sessions --tls --tls-cert --tls-key --behind-proxy "
        "--allow-host --ice-address --open --json --vlm --vlm-model --preset --weights --config"
    ),
    ("talk",): (
        "--store --stream --input-device --output-device --camera --voice --no-speak --no-record "
        "--list-devices --json --vlm --vlm-model --preset --weights --config"
    ),
    ("train",): (
        "--recipe --run --smoke --stage --resume --new --back-to --workers --threads --seed "
        "--device --cache-gb --export --no-train --check-gradients --json"
    ),
    ("doctor",): "--json",
    ("eval", "memory"): (
        "--questions --media --store --seeds --duration --num-questions --conditions --out --json "
        "--vlm --vlm-model --preset --weights --config"
    ),
    ("memory", "stats"): "--store --json",
    ("memory", "list"): "--store --stream --limit --json",
    ("memory", "search"): "--store --stream --picture --limit --json",
    ("memory", "show"): "--store --json",
    ("memory", "export"): "--out --store --json",
    ("memory", "pin"): "--off --store --json",
    ("memory", "forget"): "--span --stream --query --pinned --yes --store --json",
    ("memory", "verify"): "--quick --repair --store --json",
    ("models", "check"): "--checksums --preset --json",
    ("models", "merge"): "--out --dtype --json",
    ("config", "show"): "--config --preset --json",
    ("config", "check"): "--json",
}


@pytest.mark.parametrize("verb", OPTIONS, ids=" ".join)
def test_every_verb_keeps_its_options(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    help_text = run(capsys, *verb, "--help").out
    missing = [name for name in OPTIONS[verb].split() if f"{name} " not in help_text + " "]
    assert not missing


def test_the_readme_names_every_verb() -> None:
    text = README.read_text()
    verbs = {verb[0] for verb in OPTIONS}
    assert {verb for verb in verbs if f"`omnilive {verb}" not in text} == set()


def test_watch_prints_objects_with_their_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(
        capsys,
        *("watch", video(), "--store", tmp_path / "m", "--json"),
        *("--ask", "what was on the screen?", "--started-at", "2026-05-04T09:30:00+02:00"),
    )
    assert ran.code == 0
    for kind, fields in FIELDS.items():
        for each in ran.of(kind):
            assert fields <= set(each), kind
            assert "at" not in each or AT.fullmatch(each["at"])
    kinds = {each["event"] for each in ran.objects}
    assert {"utterance", "screen_text", "clip", "answer", "summary"} <= kinds
    assert ran.objects[-1]["event"] == "summary"
    assert ran.objects[-1]["dropped"] == {}
    for answer in ran.of("answer"):
        assert all(set(each) >= CITATION for each in answer["citations"])
    assert ran.of("stream")[0]["origin"] == "given"
    starts = [each["start_s"] for each in ran.of("clip")]
    assert starts[0] == 0
    assert starts == sorted(starts)


def test_ask_and_memory_print_objects(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = watched()
    answer = run(capsys, "ask", "what was said?", "--store", store, "--json").of("answer")[0]
    assert FIELDS["answer"] <= set(answer)
    assert answer["known"] is True
    assert answer["citations"]
    listed = run(capsys, "memory", "list", "--store", store, "--json").of("moment")
    assert all(set(each) >= CITATION for each in listed)
    speech = next(each for each in listed if each["kind"] == "speech")
    shown = run(capsys, "memory", "show", speech["id"], "--store", store, "--json").of("moment")
    assert shown[0]["text"] == speech["text"]
    found = run(capsys, "memory", "search", speech["text"], "--store", store, "--json")
    # Said more than once, it is found wherever it was said, the newest first.
    best = [each for each in found.of("moment") if each["text"] == speech["text"]]
    assert found.of("moment")[: len(best)] == best
    assert speech["id"] in {each["id"] for each in best}
    out = tmp_path / "clip.mp4"
    ran = run(capsys, "memory", "export", speech["id"], "--store", store, "-o", out, "--json")
    assert ran.of("export")[0]["file"] == str(out)
    assert out.stat().st_size > 1000
    stats = run(capsys, "memory", "stats", "--store", store, "--json").of("stats")[0]
    assert stats["clips"] > 0


def test_config_show_is_a_file_that_config_check_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(capsys, "config", "show").out
    assert tomllib.loads(shown)["schema"] == 1
    file = tmp_path / "config.toml"
    file.write_text(shown)
    assert run(capsys, "config", "check", file).code == 0
    file.write_text(shown.replace("[hearing]", "[haering]"))
    ran = run(capsys, "config", "check", file)
    assert ran.code == 2
    assert 'did you mean "hearing"' in ran.err
    file.write_text("schema = 99")
    assert "newer than" in run(capsys, "config", "check", file).err


def test_wrong_usage_is_two(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (
        ("watch",),
        ("watch", "a.mp4", "--fast", "--realtime"),
        ("watch", "a.mp4", "--voice", "nobody"),
        ("watch", "a.mp4", "--started-at", "noon"),
        ("watch", "a.mp4", "b.mp4", "--stream", "one"),
        ("watch", "a.mp4", "--preset", "huge"),
        ("watch", "a.mp4", "--preset", "server"),
        ("watch", "a.mp4", "--set", "nothing=1"),
        ("ask", "  ", "--store", watched()),
        ("ask", "what?", "--store", watched(), "--stream", "nowhere"),
    ):
        ran = run(capsys, *arguments)
        assert ran.code == 2, arguments
        assert "Traceback" not in ran.err
    assert not (tmp_path / "memory").exists()
