"""No name in an annotation leads out of the folder, and nothing that is missing is silent."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from pathlib import Path

import pytest

from omnilive.errors import MediaError, UsageError
from omnilive.training.readers import READERS, Dataset, Speech, VideoCaption, open_dataset
from readers_support import media, put, read

OUTSIDE = (
    "../secret.mp4",
    "a/../../secret.mp4",
    "/etc/hostname",
    "..\\secret.mp4",
    "\\\\host\\share\\x.mp4",
    "C:/x.mp4",
    "file:/etc/hostname",
    "",
    "a\0b.mp4",
    "x" * 5_000,
)


def _sharegpt(root: Path, *paths: str) -> None:
    rows = [
        {"video_path": path, "timestamp": [], "captions": [{"idx": "-1", "content": "x"}]}
        for path in paths
    ]
    put(root, "sharegpt4video_40k.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    media(tmp_path, "secret.mp4", "set/a/b.mp4")
    _sharegpt(root, name)
    with pytest.raises(MediaError, match=r"40k\.jsonl, line 1: "):
        read("sharegpt4video", root, "videos")


def test_the_names_of_videos_in_an_object_are_checked_as_well(tmp_path: Path) -> None:
    root = tmp_path / "set"
    media(tmp_path, "secret.mp4")
    event = {"duration": 9, "timestamps": [[0, 5]], "sentences": ["x"]}
    put(root, "train.json", {"../../secret": event})
    with pytest.raises(MediaError, match="leads out"):
        read("activitynet_captions", root, "train")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_link_out_of_the_folder_is_refused_unless_it_is_wanted(
    linked: str, tmp_path: Path
) -> None:
    root = tmp_path / "set"
    media(tmp_path, "elsewhere/a.mp4", "set/notes.txt")
    if linked == "file":
        (root / "v").mkdir()
        (root / "v/a.mp4").symlink_to(tmp_path / "elsewhere/a.mp4")
    else:
        (root / "v").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    _sharegpt(root, "v/a.mp4")
    with pytest.raises(MediaError, match="line 1: .*is a link that leads out"):
        read("sharegpt4video", root, "videos")
    dataset = open_dataset("sharegpt4video", root, "videos", follow_links=True)
    assert [record.video for record in dataset if isinstance(record, VideoCaption)] == [
        root.resolve() / "v/a.mp4"
    ]


def test_some_missing_media_are_counted_and_all_missing_is_an_error(tmp_path: Path) -> None:
    names = [f"v/{number}.mp4" for number in range(30)]
    _sharegpt(tmp_path, *names, names[0])
    media(tmp_path, names[3])
    dataset = open_dataset("sharegpt4video", tmp_path, "videos")
    assert len(list(dataset)) == 1
    assert dataset.report.missing == 30
    assert dataset.report.missing_named[:2] == ["v/0.mp4", "v/1.mp4"]
    assert len(dataset.report.missing_named) == 10
    (tmp_path / names[3]).unlink()
    with pytest.raises(MediaError, match="None of the 31 media files that sharegpt4video"):
        list(dataset)


def test_reading_is_lazy_and_begins_anew_each_time(tmp_path: Path) -> None:
    _sharegpt(tmp_path, "a.mp4", "b.mp4")
    with (tmp_path / "sharegpt4video_40k.jsonl").open("a", encoding="utf-8") as file:
        file.write("damage\n")
    media(tmp_path, "a.mp4", "b.mp4")
    dataset = open_dataset("sharegpt4video", tmp_path, "videos")
    for _ in range(2):
        assert len(list(itertools.islice(dataset, 2))) == 2
        assert dataset.report.given == 2
    with pytest.raises(MediaError, match="line 3"):
        list(dataset)


def test_wrong_names_are_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set 'imagenet'; there are gigaspeech"):
        open_dataset("imagenet", tmp_path, "train")
    with pytest.raises(UsageError, match="no split 'XXL'; it has XS"):
        open_dataset("gigaspeech", tmp_path, "XXL")
    for split in ("../x", "/x", "", "a//b", "a/../b"):
        with pytest.raises(UsageError, match="no name of a split"):
            open_dataset("kaldi", tmp_path, split)
    with pytest.raises(UsageError, match="There is no folder"):
        open_dataset("gigaspeech", tmp_path / "none", "XS")
    put(tmp_path, "file")
    with pytest.raises(UsageError, match="not a folder"):
        open_dataset("gigaspeech", tmp_path / "file", "XS")


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_what_is_missing_in_an_empty_folder(name: str, tmp_path: Path) -> None:
    splits = READERS[name].splits or ("train",)
    for split in splits:
        dataset = Dataset(name, tmp_path, split)
        if name == "silence":
            assert list(dataset) == []
            continue
        with pytest.raises(MediaError, match="There is no"):
            list(dataset)


BROKEN_VALUES = (
    {"begin_time": "soon"},
    {"begin_time": True},
    {"begin_time": -1},
    {"begin_time": None},
    {"end_time": 1e300},
    {"end_time": float("inf")},
    {"end_time": float("nan")},
    {"text_tn": 5},
    {"text_tn": None},
    {"subsets": "{XS}"},
    {"subsets": [5]},
)


@pytest.mark.parametrize("broken", BROKEN_VALUES, ids=str)
def test_values_of_the_wrong_kind_are_named_with_their_place(
    broken: dict[str, object], tmp_path: Path
) -> None:
    good = {"begin_time": 0.0, "end_time": 1.0, "text_tn": "HI", "subsets": ["{XS}"]}
    audios = [
        {"path": "a.opus", "segments": [good]},
        {"path": "a.opus", "segments": [good, good | broken]},
    ]
    put(tmp_path, "GigaSpeech.json", {"audios": audios})
    media(tmp_path, "a.opus")
    with pytest.raises(MediaError, match=r"GigaSpeech\.json, line 1, item 2: "):
        read("gigaspeech", tmp_path, "XS")


@pytest.mark.parametrize("segments", [None, 5, [5], {"a": 1}, [[]]], ids=str)
def test_lists_that_are_none(segments: object, tmp_path: Path) -> None:
    put(tmp_path, "WenetSpeech.json", {"audios": [{"path": "a", "segments": segments}]})
    with pytest.raises(MediaError, match="item 1"):
        read("wenetspeech", tmp_path, "S")


def test_tables_and_lists_of_the_wrong_bytes(tmp_path: Path) -> None:
    put(tmp_path, "train.tsv", b"path\tsentence\na\t\xff\xfe\n")
    with pytest.raises(MediaError, match="UTF-8"):
        read("common_voice", tmp_path, "train")
    put(tmp_path, "train.tsv", b"path\tsentence\na\tb\0c\n")
    with pytest.raises(MediaError, match="line 2: this line holds a zero byte"):
        read("common_voice", tmp_path, "train")
    put(tmp_path, "train.tsv", b"")
    with pytest.raises(MediaError, match="empty"):
        read("common_voice", tmp_path, "train")
    put(tmp_path, "train_metadata.csv", 'path,transcription\na,"' + "x" * 200_000)
    with pytest.raises(MediaError, match="line 2: this is no row of a table"):
        read("ascend", tmp_path, "train")


def test_records_cannot_be_changed(tmp_path: Path) -> None:
    record = Speech(tmp_path, 0.0, None, "x", "en")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.text = "y"  # type: ignore[misc]


@pytest.mark.parametrize("name", READERS)
def test_the_page_about_training_names_every_set(name: str) -> None:
    page = Path(__file__).parents[2] / "docs/training.md"
    assert f"| `{name}` |" in page.read_text(encoding="utf-8")
