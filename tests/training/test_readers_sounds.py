"""The paper's sets of sounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnilive.errors import MediaError
from omnilive.training.readers import SoundLabel
from readers_support import media, put, read


def test_fsd50k(tmp_path: Path) -> None:
    truth = "FSD50K.ground_truth"
    put(
        tmp_path,
        f"{truth}/dev.csv",
        "fname,labels,mids,split\n"
        '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train\n'
        '16399,"Bark,Dog","/m/05tny_,/m/0bt9lr",val\n',
    )
    put(tmp_path, f"{truth}/eval.csv", 'fname,labels,mids\n37199,"Bell","/m/0395lw"\n')
    media(tmp_path, "FSD50K.dev_audio/64760.wav", "FSD50K.eval_audio/37199.wav")
    records, _ = read("fsd50k", tmp_path, "train")
    wav = tmp_path / "FSD50K.dev_audio/64760.wav"
    assert records == [SoundLabel(wav, 0.0, None, ("Electric guitar", "Guitar", "Music"))]
    (record,), _ = read("fsd50k", tmp_path, "eval")
    assert isinstance(record, SoundLabel)
    assert record.labels == ("Bell",)
    with pytest.raises(MediaError, match=r"None of the 1 .* \(the first: FSD50K.dev_audio/16399"):
        read("fsd50k", tmp_path, "val")


CLASSES = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n'
SEGMENTS = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n"
    "# num_ytids=2\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
    '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/05zppz"\n'
    '--ZhevVpy1s, 50.000, 60.000, "/m/09x0r"\n'
)


@pytest.mark.parametrize("form", ["{id}.wav", "Y{id}.flac", "{id}_{start}.m4a"])
def test_audioset_by_the_names_that_people_give_the_pieces(form: str, tmp_path: Path) -> None:
    put(tmp_path, "class_labels_indices.csv", CLASSES)
    put(tmp_path, "balanced_train_segments.csv", SEGMENTS)
    for video, start in (("--PJHxphWEs", 30), ("--ZhevVpy1s", 50)):
        media(tmp_path, f"audio/balanced_train/{form.format(id=video, start=start)}")
    records, _ = read("audioset", tmp_path, "balanced_train")
    assert [each.labels for each in records if isinstance(each, SoundLabel)] == [
        ("Speech", "Male speech, man speaking"),
        ("Speech",),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('../../etc/pa, 0, 10, "/m/09x0r"', "an id, a start"),
        ('--PJHxphWEs, 0, 10, "/m/none"', "is not in class_labels"),
        ("--PJHxphWEs, 0, 10", "an id, a start"),
    ],
)
def test_audioset_rows_that_are_wrong(row: str, said: str, tmp_path: Path) -> None:
    put(tmp_path, "class_labels_indices.csv", CLASSES)
    put(tmp_path, "eval_segments.csv", f"# remark\n{row}\n")
    with pytest.raises(MediaError, match=f"eval_segments.csv, line 2: .*{said}"):
        read("audioset", tmp_path, "eval")


def test_silence_is_a_folder_of_sounds(tmp_path: Path) -> None:
    media(tmp_path, "b/2.WAV", "a/1.flac", "notes.txt")
    records, _ = read("silence", tmp_path, "all")
    assert records == [
        SoundLabel(tmp_path / "a/1.flac", 0.0, None, ("silence",)),
        SoundLabel(tmp_path / "b/2.WAV", 0.0, None, ("silence",)),
    ]
