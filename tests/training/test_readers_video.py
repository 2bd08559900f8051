"""The paper's sets of videos with words about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omnilive.errors import MediaError
from omnilive.training.readers import (
    GroundedQuestion,
    Record,
    Seconds,
    Turn,
    VideoCaption,
    VideoDialogue,
)
from readers_support import media, put, read


def test_sharegpt4video(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "video_id": "a",
        "video_path": "panda/a.mp4",
        "timestamp": [0.0, 2.0, 6.0],
        "keyframe": [0, 60, 180],
        "captions": [
            {"idx": "0", "content": "A street."},
            {"idx": "1", "content": "A car comes."},
            {"idx": "2", "content": "It stops."},
            {"idx": "7", "content": "Nowhere."},
            {"idx": "-1", "content": "A car comes along a street and stops."},
        ],
        "zip_folder": "panda_videos_1.zip",
    }
    gone = {**row, "video_path": "panda/b.mp4"}
    put(tmp_path, "sharegpt4video_40k.jsonl", f"{json.dumps(row)}\n\n{json.dumps(gone)}\n")
    media(tmp_path, "videos/panda/a.mp4")
    video = tmp_path / "videos/panda/a.mp4"
    records, report = read("sharegpt4video", tmp_path, "videos")
    assert records == [VideoCaption(video, 0.0, None, "A car comes along a street and stops.")]
    assert "1 rows without their media file (the first: panda/b.mp4)" in report
    records, report = read("sharegpt4video", tmp_path, "keyframes")
    assert records == [
        VideoCaption(video, 0.0, 2.0, "A street."),
        VideoCaption(video, 0.0, 2.0, "A car comes."),
        VideoCaption(video, 2.0, 6.0, "It stops."),
    ]
    assert "captions of no key frame" in report
    put(tmp_path, "sharegpt4video_40k.jsonl", f"{json.dumps(row)}\n{json.dumps(row)[:50]}")
    with pytest.raises(MediaError, match=r"40k\.jsonl, line 2: this line is not valid JSON"):
        read("sharegpt4video", tmp_path, "videos")


def test_activitynet_captions(tmp_path: Path) -> None:
    events = {
        "v_QOlSCBRmfWY": {
            "duration": 82.73,
            "timestamps": [[0.83, 19.86], [17.37, 90.81], [5, 5]],
            "sentences": ["A young woman is seen.", " The girl  dances.", "Nothing."],
        },
        "v_bXdq2zI1Ms0": {"duration": 73.1, "timestamps": [[10.23, 20]], "sentences": ["Men."]},
    }
    put(tmp_path, "captions/train.json", events)
    media(tmp_path, "videos/v_QOlSCBRmfWY.mkv", "videos/bXdq2zI1Ms0.mp4")
    records, report = read("activitynet_captions", tmp_path, "train")
    videos = tmp_path / "videos"
    assert records == [
        VideoCaption(videos / "v_QOlSCBRmfWY.mkv", 0.83, 19.86, "A young woman is seen."),
        VideoCaption(videos / "v_QOlSCBRmfWY.mkv", 17.37, 82.73, "The girl dances."),
        VideoCaption(videos / "bXdq2zI1Ms0.mp4", 10.23, 20.0, "Men."),
    ]
    assert "spans of no length" in report
    events["v_QOlSCBRmfWY"]["sentences"] = []
    put(tmp_path, "captions/train.json", events)
    with pytest.raises(MediaError, match="item 1: 3 times and 0 sentences"):
        read("activitynet_captions", tmp_path, "train")


@pytest.mark.parametrize("wrapped", [False, True])
def test_ego4d_narrations_and_summaries(wrapped: bool, tmp_path: Path) -> None:
    def narration(at_s: float, text: str) -> dict[str, Any]:
        return {"timestamp_sec": at_s, "timestamp_frame": int(30 * at_s), "narration_text": text}

    told = [
        narration(20.0, "#O A man Y laughs"),
        narration(3.5, "#C C picks a bag"),
        narration(5.0, "#C C does #unsure"),
    ]
    summaries = [{"start_sec": 0, "end_sec": 300.0, "summary_text": "#Summary C packs a bag"}]
    videos = {
        "uid-1": {
            "status": "complete",
            "narration_pass_1": {"narrations": told, "summaries": summaries},
        },
        "uid-2": {"status": "redacted"},
    }
    content = {"version": "1", "date": "x", "videos": videos} if wrapped else videos
    put(tmp_path, "v2/annotations/narration.json", content)
    media(tmp_path, "v2/full_scale/uid-1.mp4")
    video = tmp_path / "v2/full_scale/uid-1.mp4"
    records, report = read("ego4d", tmp_path, "narrations")
    assert records == [
        VideoCaption(video, 3.5, 5.0, "the camera wearer picks a bag"),
        VideoCaption(video, 20.0, 28.0, "A man Y laughs"),
    ]
    assert "not sure" in report
    records, _ = read("ego4d", tmp_path, "summaries")
    assert records == [VideoCaption(video, 0.0, 300.0, "C packs a bag")]


def test_ego4d_questions(tmp_path: Path) -> None:
    queries = [
        {"query": "Where was the bag?", "video_start_sec": 10.5, "video_end_sec": 14},
        {"query": None, "video_start_sec": 1, "video_end_sec": 2},
    ]
    clips = [{"clip_uid": "c", "annotations": [{"language_queries": queries}]}]
    put(
        tmp_path,
        "v1/annotations/nlq_train.json",
        {"version": "1", "videos": [{"video_uid": "u1", "clips": clips}]},
    )
    media(tmp_path, "v1/full_scale/u1.mp4")
    records, report = read("ego4d", tmp_path, "nlq_train")
    video = tmp_path / "v1/full_scale/u1.mp4"
    assert records == [GroundedQuestion(video, "Where was the bag?", "", (Seconds(10.5, 14.0),))]
    assert "empty queries" in report


def _dialogue(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": who, "value": text} for who, text in said]


def test_llava_video(tmp_path: Path) -> None:
    part = "0_30_s_academic_v0_1"
    video = "academic_source/Charades/Q04US.mp4"

    def rows(*said: tuple[str, str]) -> list[dict[str, Any]]:
        row = {"id": "Q04US", "data_source": part, "video": video}
        return [{**row, "conversations": _dialogue(*said)}]

    caption = rows(("human", "<image>\nDescribe."), ("gpt", "A man eats."))
    asked = rows(
        ("human", "<image>\nWho eats?"), ("gpt", "A man."), ("human", "What?"), ("gpt", "Bread.")
    )
    put(tmp_path, f"{part}/{part}_cap_processed.json", caption)
    put(tmp_path, f"{part}/0_30_s_academic_oe_v0_1_qa_processed.json", asked)
    media(tmp_path, f"{part}/{video}")
    path = tmp_path / part / video
    records, _ = read("llava_video", tmp_path, "caption")
    assert records == [VideoCaption(path, 0.0, None, "A man eats.")]
    records, _ = read("llava_video", tmp_path, "open_ended")
    turns = (Turn("Who eats?", "A man."), Turn("What?", "Bread."))
    assert records == [VideoDialogue(path, turns)]
    with pytest.raises(MediaError, match="There is no"):
        read("llava_video", tmp_path, "multi_choice")
    put(tmp_path, f"{part}/{part}_cap_processed.json", rows(("system", "x")))
    with pytest.raises(MediaError, match="item 1: 'system' is not a speaker"):
        read("llava_video", tmp_path, "caption")


def test_videochat2(tmp_path: Path) -> None:
    rows = [
        {
            "video": "a.mp4",
            "QA": [
                {"i": "Look closely.", "q": "Who?", "a": "A cook."},
                {"i": "Look closely.", "q": "Where?", "a": "In a kitchen."},
            ],
        },
        {
            "video": "b.mp4",
            "start": 3.0,
            "end": 9,
            "QA": [{"i": "Describe.", "q": "", "a": "Soup."}],
        },
    ]
    put(tmp_path, "video/caption/youcook2/train.json", rows)
    media(tmp_path, "videos/youcook2/a.mp4", "videos/b.mp4")
    records, _ = read("videochat2_it", tmp_path, "caption/youcook2")
    first = (Turn("Look closely. Who?", "A cook."), Turn("Where?", "In a kitchen."))
    assert records == [
        VideoDialogue(tmp_path / "videos/youcook2/a.mp4", first),
        VideoDialogue(tmp_path / "videos/b.mp4", (Turn("Describe.", "Soup."),), 3.0, 9.0),
    ]


def test_funqa(tmp_path: Path) -> None:
    def row(video: str, task: str, output: Any) -> dict[str, Any]:
        return {
            "visual_input": video,
            "task": task,
            "instruction": "Why is it funny?",
            "output": output,
            "ID": "1",
        }

    rows = [
        row("H_A_1.mp4", "H3", " He slips."),
        row("H_A_1.mp4", "H1", "[10, 20]"),
        row("C_B_2.mp4", "C2", "It is a hat."),
    ]
    put(tmp_path, "annotation_with_ID/funqa_train.json", rows)
    media(tmp_path, "train/train_humor/H_A_1.mp4", "train_creative/C_B_2.mp4")
    records, report = read("funqa", tmp_path, "train")
    assert [each.turns[0].answer for each in records if isinstance(each, VideoDialogue)] == [
        "He slips.",
        "It is a hat.",
    ]
    assert "questions for frame numbers" in report


COLUMNS = ["record_id", "vid_id", "vid_filename", "perspective", "q_body"]
OPTIONS = ["option0", "option1", "option2", "option3", "answer"]


@pytest.mark.parametrize(("split", "extra"), [("R2_train", ["q_type"]), ("R3_train", [])])
def test_trafficqa(split: str, extra: list[str], tmp_path: Path) -> None:
    kind = ["A"] if extra else []
    rows = [
        COLUMNS + extra + OPTIONS,
        [1, 7, "a.mp4", 0, "What hit the car?", *kind, "a bus", "", "a tree", "", 2],
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    put(tmp_path, f"annotations/{split}.jsonl", text)
    media(tmp_path, "compressed_videos/a.mp4")
    records, _ = read("trafficqa", tmp_path, split)
    expected: list[Record] = [
        GroundedQuestion(
            tmp_path / "compressed_videos/a.mp4",
            "What hit the car?",
            "a tree",
            choices=("a bus", "a tree"),
        )
    ]
    assert records == expected
    put(tmp_path, f"annotations/{split}.jsonl", text.replace(", 2]", ", 1]"))
    with pytest.raises(MediaError, match="line 2: the answer is none of the options"):
        read("trafficqa", tmp_path, split)
    put(tmp_path, f"annotations/{split}.jsonl", text.splitlines()[1])
    with pytest.raises(MediaError, match="line 1: the first line must name the columns"):
        read("trafficqa", tmp_path, split)
