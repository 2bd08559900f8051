"""The file of questions: what it may hold, and what is said about one that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omnilive.errors import UsageError
from omnilive.evaluation.memory_questions import (
    MemoryQuestion,
    find_videos,
    read_questions,
    write_questions,
)

GOOD: dict[str, Any] = {
    "id": "q1",
    "video": "a/one.mp4",
    "question": "What colour was it?",
    "ask_time_s": 60,
    "answer": "red",
    "evidence": [[10, 20.5]],
}


def file_of(tmp_path: Path, *lines: object) -> Path:
    file = tmp_path / "questions.jsonl"
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


def test_a_file_is_read(tmp_path: Path) -> None:
    choice = GOOD | {"id": "q2", "choices": ["red", "blue"], "answer": "B", "kind": "attribute"}
    file = file_of(
        tmp_path,
        {"omnilive_questions": 1},
        GOOD | {"accepted": ["dark red"], "note": "from a person"},
        "",
        choice,
        choice | {"id": "q3", "answer": 0, "needs": "present"},
        {key: GOOD[key] for key in ("id", "video", "question", "ask_time_s")}
        | {"id": "q4", "known": False},
    )
    first, second, third, fourth = read_questions(file)
    assert first.accepted == ("red", "dark red")
    assert first.evidence == ((10.0, 20.5),)
    assert first.age_s == 39.5
    assert second.accepted == ("blue",)
    assert (second.answer_choice, third.answer_choice) == (1, 0)
    assert third.needs == "present"
    assert (fourth.known, fourth.age_s, fourth.kind) == (False, None, "any")


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    base = MemoryQuestion(id="a", video="v.mp4", text="Wo?", ask_time_s=9.5, accepted=("hier",))
    questions = (
        base,
        MemoryQuestion(
            id="b", video="v.mp4", text="?", ask_time_s=1, choices=("x", "y"), accepted=("y",)
        ),
        MemoryQuestion(id="c", video="v.mp4", text="?", ask_time_s=1, known=False),
        MemoryQuestion(id="d", video="v.mp4", text="?", ask_time_s=8, evidence=((1.0, 2.0),)),
    )
    file = tmp_path / "questions.jsonl"
    write_questions(file, questions)
    assert read_questions(file) == questions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ask_time_s": -1}, "between 0"),
        ({"ask_time_s": 1e300}, "between 0"),
        ({"ask_time_s": int("9" * 400)}, "between 0"),
        ({"ask_time_s": "12"}, "a number of seconds"),
        ({"ask_time_s": True}, "a number of seconds"),
        ({"evidence": [[20, 10]]}, "ends before it starts"),
        ({"evidence": [[70, 80]]}, "after the question is asked"),
        ({"evidence": [[1]]}, "start_s, end_s"),
        ({"evidence": {}}, "must be a list"),
        ({"question": "  "}, "text of 1 to"),
        ({"question": "x" * 10_001}, "text of 1 to"),
        ({"id": 7}, "text of 1 to"),
        ({"id": "\ud800"}, "half a character"),
        ({"choices": ["red"]}, "2 to 26 different"),
        ({"choices": ["red", "red"]}, "2 to 26 different"),
        ({"choices": ["red", "blue"], "answer": "C"}, "one of the choices"),
        ({"choices": ["red", "blue"], "answer": 2}, "one of the choices"),
        ({"choices": ["red", "blue"], "answer": True}, "one of the choices"),
        ({"needs": "future"}, '"past" or "present"'),
        ({"known": "no"}, "true or false"),
        ({"known": False}, "has no evidence"),
        ({"answer": None, "evidence": []}, "nothing to hold an answer against"),
        ({"colour": 1}, 'unknown key "colour"'),
        ({"video": "../../etc/passwd"}, "path below the folder"),
        ({"video": "/etc/passwd"}, "path below the folder"),
        ({"video": "a/../../b.mp4"}, "path below the folder"),
        ({"video": "..\\b.mp4"}, "path below the folder"),
        ({"video": "C:/b.mp4"}, "path below the folder"),
        ({"video": "~/b.mp4"}, "path below the folder"),
        ({"video": "a\u0000.mp4"}, "path below the folder"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    file = file_of(tmp_path, GOOD, GOOD | {"id": "q2"} | change)
    with pytest.raises(UsageError) as error:
        read_questions(file)
    assert "line 2" in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "q2", "video": "a.mp4", "ques', "cut short"),
        ('{"id": 1} {"id": 2}', "more than one"),
        ("[1, 2]", "not a JSON object"),
        ('{"id": NaN}', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"id": "x", "id": "y"}', "stands there twice"),
        ('{"id": "x"}', '"video" is missing'),
        ('{"omnilive_questions": 1}', "stands alone"),
        (json.dumps(GOOD), "was used in line 1"),
        ('{"id": "' + "x" * (1 << 20) + '"}', "longer than"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        read_questions(file_of(tmp_path, GOOD, line))
    assert "line 2" in str(error.value)
    assert says in str(error.value)
    assert len(str(error.value)) < 500


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no questions"):
        read_questions(file_of(tmp_path))
    with pytest.raises(UsageError, match="newer than this program"):
        read_questions(file_of(tmp_path, {"omnilive_questions": 2}))
    with pytest.raises(UsageError, match="version of the format"):
        read_questions(file_of(tmp_path, {"omnilive_questions": "one"}))
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path)
    binary = tmp_path / "video.mp4"
    binary.write_bytes(b"\x00\xff\xfe" * 50)
    with pytest.raises(UsageError, match="not UTF-8"):
        read_questions(binary)


def test_videos_are_found_and_nothing_outside_the_folder_is(tmp_path: Path) -> None:
    media, outside = tmp_path / "media", tmp_path / "secret.mp4"
    (media / "a").mkdir(parents=True)
    (media / "a" / "one.mp4").write_bytes(b"x")
    outside.write_bytes(b"x")
    (media / "link.mp4").symlink_to(outside)
    (media / "inside.mp4").symlink_to(media / "a" / "one.mp4")
    (media / "loop.mp4").symlink_to(media / "loop.mp4")

    def ask(video: str) -> dict[str, Path]:
        question = MemoryQuestion(id="q", video=video, text="?", ask_time_s=0, known=False)
        return find_videos([question], media)

    assert ask("a/one.mp4") == {"a/one.mp4": (media / "a" / "one.mp4").resolve()}
    assert ask("inside.mp4")["inside.mp4"].name == "one.mp4"
    with pytest.raises(UsageError, match="lies outside"):
        ask("link.mp4")
    with pytest.raises(UsageError, match="path below"):
        ask("../secret.mp4")
    for video in ("a", "b.mp4", "loop.mp4", "x" * 5000, "http://127.0.0.1/x.mp4"):
        with pytest.raises(UsageError, match="is not in"):
            ask(video)
    with pytest.raises(UsageError, match="--media"):
        find_videos([], tmp_path / "nowhere")
