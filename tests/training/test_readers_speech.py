"""The paper's sets of speech, each written as it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnilive.errors import MediaError
from omnilive.training.readers import Speech
from readers_support import media, put, read


def test_gigaspeech(tmp_path: Path) -> None:
    def segment(sid: str, begin: float, end: float, text: str, *subsets: str) -> dict[str, object]:
        return {
            "sid": sid,
            "begin_time": begin,
            "end_time": end,
            "text_tn": text,
            "subsets": [f"{{{name}}}" for name in subsets],
        }

    first = [
        segment("a", 1.5, 3.25, "AS THEY SAY <COMMA> WELL <QUESTIONMARK>", "XL", "XS"),
        segment("b", 4, 5, "<MUSIC>", "XL", "XS"),
        segment("c", 6, 6, "NOTHING", "XL", "XS"),
        segment("d", 7, 8, "OTHER SUBSET <PERIOD>", "XL"),
    ]
    second = [segment("e", 0, 1, "GONE", "XL", "XS")]
    audios = [
        {"aid": "P1", "path": "audio/podcast/P0000/P1.opus", "segments": first},
        {"aid": "P2", "path": "audio/podcast/P0000/P2.opus", "segments": second},
    ]
    put(tmp_path, "GigaSpeech.json", {"dataset": "GigaSpeech", "audios": audios})
    media(tmp_path, "audio/podcast/P0000/P1.opus")
    records, report = read("gigaspeech", tmp_path, "XS")
    audio = tmp_path / "audio/podcast/P0000/P1.opus"
    assert records == [Speech(audio, 1.5, 3.25, "AS THEY SAY, WELL?", "en")]
    assert "1 rows left out: no words" in report
    assert "spans of no length" in report
    assert "1 rows without their media file (the first: audio/podcast/P0000/P2.opus)" in report
    assert len(read("gigaspeech", tmp_path, "XL")[0]) == 2


def test_wenetspeech(tmp_path: Path) -> None:
    segment = {
        "sid": "Y1_S1",
        "begin_time": 10.0,
        "end_time": 12.5,
        "text": "\u4eca\u5929 \u5929\u6c14 ok \u597d",
        "confidence": 1.0,
        "subsets": ["M", "L"],
    }
    audio = {"aid": "Y1", "path": "audio/train/youtube/B0/Y1.opus", "segments": [segment]}
    put(tmp_path, "WenetSpeech.json", {"audios": [audio]})
    media(tmp_path, "audio/train/youtube/B0/Y1.opus")
    (record,), _ = read("wenetspeech", tmp_path, "M")
    assert record == Speech(
        tmp_path / "audio/train/youtube/B0/Y1.opus",
        10.0,
        12.5,
        "\u4eca\u5929\u5929\u6c14 ok \u597d",
        "zh",
    )
    assert read("wenetspeech", tmp_path, "S") == ([], "0 records")


@pytest.mark.parametrize("top", ["", "LibriSpeech/"])
def test_librispeech(top: str, tmp_path: Path) -> None:
    for speaker in ("84", "121"):
        base = f"{top}dev-clean/{speaker}/7"
        put(
            tmp_path, f"{base}/{speaker}-7.trans.txt", f"{speaker}-7-0000 GO ON\n{speaker}-7-0001\n"
        )
        media(tmp_path, f"{base}/{speaker}-7-0000.flac")
    records, report = read("librispeech", tmp_path, "dev-clean")
    assert [record.text for record in records if isinstance(record, Speech)] == ["GO ON", "GO ON"]
    assert records[0] == Speech(
        tmp_path / f"{top}dev-clean/121/7/121-7-0000.flac", 0.0, None, "GO ON", "en"
    )
    assert "2 rows left out: no words" in report
    with pytest.raises(MediaError, match="There is no"):
        read("librispeech", tmp_path, "test-other")


def test_vctk_of_both_versions(tmp_path: Path) -> None:
    put(tmp_path, "txt/p225/p225_001.txt", "Please call Stella.\n")
    put(tmp_path, "txt/p225/p225_002.txt", "\n")
    put(tmp_path, "txt/p226/p226_001.txt", "Ask her  to bring\nthese things.")
    media(tmp_path, "wav48_silence_trimmed/p225/p225_001_mic1.flac", "wav48/p226/p226_001.wav")
    records, report = read("vctk", tmp_path, "all")
    texts = [record.text for record in records if isinstance(record, Speech)]
    assert texts == ["Please call Stella.", "Ask her to bring these things."]
    assert "no words" in report


def test_aishell_1(tmp_path: Path) -> None:
    put(
        tmp_path,
        "data_aishell/transcript/aishell_transcript_v0.8.txt",
        "BAC009S0002W0122 \u800c \u5bf9 \u697c\u5e02\n"
        "BAC009S0002W0123 \u6210\u4ea4\n"
        "BAC009S0724W0121 \u5e7f\u5dde\n",
    )
    wav = "data_aishell/wav"
    media(
        tmp_path,
        f"{wav}/train/S0002/BAC009S0002W0122.wav",
        f"{wav}/dev/S0724/BAC009S0724W0121.wav",
    )
    records, report = read("aishell_1", tmp_path, "train")
    assert records == [
        Speech(
            tmp_path / f"{wav}/train/S0002/BAC009S0002W0122.wav",
            0.0,
            None,
            "\u800c\u5bf9\u697c\u5e02",
            "zh",
        )
    ]
    # The speaker of another split is not missing from this one.
    assert "1 rows without their media file" in report
    put(tmp_path, "data_aishell/transcript/aishell_transcript_v0.8.txt", "../../x \u800c\n")
    with pytest.raises(MediaError, match="line 1: .* no name of an utterance"):
        read("aishell_1", tmp_path, "train")


LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 9.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "001-M"
        xmin = 0
        xmax = 9.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = ""
        intervals [2]:
            xmin = 1.25
            xmax = 4
            text = "\u597d <sil> ""\u5f00\u59cb"" 3 [4]"
        intervals [3]:
            xmin = 4
            xmax = 9.5
            text = "<%>"
    item [2]:
        class = "TextTier"
        name = "marks"
        xmin = 0
        xmax = 9.5
        points: size = 1
        points [1]:
            number = 2
            mark = "click"
"""
SHORT_GRID = (
    '"ooTextFile"\n"TextGrid"\n0\n9.5\n<exists>\n1\n'
    '"IntervalTier"\n"s"\n0\n9.5\n1\n0\n2e0\n"\u662f"\n'
)


def test_aishell_4(tmp_path: Path) -> None:
    put(tmp_path, "train_S/TextGrid/m1.TextGrid", LONG_GRID)
    put(tmp_path, "train_S/TextGrid/m2.TextGrid", SHORT_GRID.encode("utf-16"))
    put(tmp_path, "train_S/TextGrid/20200622_M_R002S07C01.TextGrid", LONG_GRID[:300])
    media(tmp_path, "train_S/wav/m1.flac", "train_S/wav/m2.flac")
    records, report = read("aishell_4", tmp_path, "train_S")
    assert records == [
        Speech(tmp_path / "train_S/wav/m1.flac", 1.25, 4.0, '\u597d "\u5f00\u59cb" 3 [4]', "zh"),
        Speech(tmp_path / "train_S/wav/m2.flac", 0.0, 2.0, "\u662f", "zh"),
    ]
    assert "known to be damaged" in report


@pytest.mark.parametrize("length", range(0, len(LONG_GRID) - 20, 37))
def test_a_text_grid_that_is_cut_off_is_an_error(length: int, tmp_path: Path) -> None:
    put(tmp_path, "test/TextGrid/m1.TextGrid", LONG_GRID[:length])
    media(tmp_path, "test/wav/m1.flac")
    with pytest.raises(MediaError, match=r"m1\.TextGrid.*(cut off|no TextGrid)"):
        read("aishell_4", tmp_path, "test")


def test_magicdata_ramc(tmp_path: Path) -> None:
    name = "CTS-CN-F2F-2019-11-15-188"
    put(tmp_path, "DataPartition/dev.tsv", f"CHANNEL\tUTTRANS_ID\nC0\t{name}.wav\n")
    put(
        tmp_path,
        f"MDT2021S003/TXT/{name}.txt",
        "[1.319,6.691]\tG00000140\t\u5973,\u666e\u901a\u8bdd\t\u6700\u8fd1[+] \u90a3\u4e2a\n"
        "[7.0,8.0]\tG00000000\t\u65e0,\u65e0\t[MUSIC]\n",
    )
    media(tmp_path, f"MDT2021S003/WAV/{name}.wav")
    records, report = read("magicdata_ramc", tmp_path, "dev")
    assert records == [
        Speech(
            tmp_path / f"MDT2021S003/WAV/{name}.wav",
            1.319,
            6.691,
            "\u6700\u8fd1\u90a3\u4e2a",
            "zh",
        )
    ]
    assert "no words" in report
    put(tmp_path, f"MDT2021S003/TXT/{name}.txt", "[1.319;6.691]\tG\tx\ty\n")
    with pytest.raises(MediaError, match=r"188\.txt, line 1"):
        read("magicdata_ramc", tmp_path, "dev")


def test_ascend(tmp_path: Path) -> None:
    put(
        tmp_path,
        "train_metadata.csv",
        "id,path,transcription,duration,language\n"
        '0,/home/x/waves/ses1.wav,"\u55ef, nice to meet you",2.0,mixed\n'
        "1,waves/ses2.wav,\u55ef,1.0,zh\n",
    )
    media(tmp_path, "waves/ses1.wav", "waves/ses2.wav")
    records, _ = read("ascend", tmp_path, "train")
    told = [(each.text, each.language) for each in records if isinstance(each, Speech)]
    assert told == [("\u55ef, nice to meet you", ""), ("\u55ef", "zh")]


def test_kespeech(tmp_path: Path) -> None:
    base = "Tasks/ASR/test"
    put(
        tmp_path,
        f"{base}/wav.scp",
        "1000001_a Audio/1000001/a.wav\n1000001_b Audio/1000001/b.wav\n1000002_c Audio/c.wav\n",
    )
    put(
        tmp_path,
        f"{base}/text",
        "1000001_a \u4f60\u597d<SPOKEN_NOISE>\n1000002_c \u518d\u89c1\n1000003_d \u54e6\n",
    )
    media(tmp_path, "Audio/1000001/a.wav", "Audio/c.wav")
    records, report = read("kespeech", tmp_path, "test")
    assert [each.text for each in records if isinstance(each, Speech)] == [
        "\u4f60\u597d",
        "\u518d\u89c1",
    ]
    assert "sound without text" in report


def test_kaldi_with_segments_and_absolute_paths(tmp_path: Path) -> None:
    put(tmp_path, "data/train/wav.scp", f"rec1 {tmp_path.resolve()}/wav/rec1.wav\n")
    put(tmp_path, "data/train/segments", "u1 rec1 0.5 2\nu2 rec1 3 4.5\nu3 rec9 0 1\n")
    put(tmp_path, "data/train/text", "u1 one two\nu2 three\nu3 four\n")
    media(tmp_path, "wav/rec1.wav")
    records, report = read("kaldi", tmp_path, "data/train")
    wav = tmp_path / "wav/rec1.wav"
    assert records == [Speech(wav, 0.5, 2.0, "one two", ""), Speech(wav, 3.0, 4.5, "three", "")]
    assert "recordings that wav.scp does not have" in report


def test_kaldi_runs_no_command_and_needs_sorted_files(tmp_path: Path) -> None:
    put(tmp_path, "d/wav.scp", "u1 touch /tmp/never |\n")
    put(tmp_path, "d/text", "u1 one\n")
    with pytest.raises(MediaError, match=r"wav\.scp, line 1: this path is a command"):
        read("kaldi", tmp_path, "d")
    put(tmp_path, "d/wav.scp", "u2 b.wav\nu1 a.wav\n")
    put(tmp_path, "d/text", "u2 two\nu3 three\nu1 one\n")
    media(tmp_path, "a.wav", "b.wav")
    with pytest.raises(MediaError, match="sort both"):
        read("kaldi", tmp_path, "d")


def test_chime7(tmp_path: Path) -> None:
    def said(words: str, speaker: str, start: str = "11.000") -> dict[str, str]:
        return {
            "end_time": "12.370",
            "start_time": start,
            "words": words,
            "speaker": speaker,
            "session_id": "S05",
        }

    said_all = [said("so [laughs] um", "P03"), said("yes", "P04"), said("bad", "P04", "13.0")]
    put(tmp_path, "chime6/transcriptions/dev/S05.json", said_all)
    media(tmp_path, "chime6/audio/dev/S05_P03.wav", "chime6/audio/dev/S05_U01.CH1.wav")
    records, report = read("chime7_dasr", tmp_path, "chime6/dev")
    base = tmp_path / "chime6/audio/dev"
    assert records == [
        Speech(base / "S05_P03.wav", 11.0, 12.37, "so um", "en"),
        Speech(base / "S05_U01.CH1.wav", 11.0, 12.37, "yes", "en"),
    ]
    assert "spans of no length" in report


def test_common_voice(tmp_path: Path) -> None:
    root = tmp_path / "en"
    put(
        root,
        "train.tsv",
        "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
        'x\tcommon_voice_en_1.mp3\ts\tShe said "no.\t2\n'
        "x\tcommon_voice_en_2\ts\tYes.\t2\n",
    )
    media(root, "clips/common_voice_en_1.mp3", "clips/common_voice_en_2.mp3")
    records, _ = read("common_voice", root, "train")
    told = [(each.text, each.language) for each in records if isinstance(each, Speech)]
    assert told == [('She said "no.', "en"), ("Yes.", "en")]
    put(root, "train.tsv", "client_id\tpath\tsentence\nx\ta.mp3\n")
    with pytest.raises(MediaError, match=r"train\.tsv, line 2: 3 cells"):
        read("common_voice", root, "train")
    put(root, "train.tsv", "client_id\tfile\n")
    with pytest.raises(MediaError, match="columns path, sentence"):
        read("common_voice", root, "train")
