"""Bad input at the command line: one sentence, the right exit code, nothing remembered is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from cli_support import Ran, run
from media_files import write_video
from world_support import watched


def _fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a store that holds one watched file."""
    store = tmp_path / "memory"
    write_video(tmp_path / "fine.mp4", seconds=4, audio="aac")
    assert run(capsys, "watch", tmp_path / "fine.mp4", "--store", store, "--json").code == 0
    return store


def _one_sentence(ran: Ran) -> None:
    lines = [line for line in ran.err.splitlines() if line.strip()]
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("omnilive: ")
    assert lines[0].endswith(".")
    assert "Traceback" not in ran.err


def _make(kind: str, tmp_path: Path) -> str:
    path = tmp_path / f"{kind}.mp4"
    if kind == "missing":
        return str(path)
    if kind == "unreachable":
        return "rtsp://user:pa55word@127.0.0.1:9/stream"
    if kind == "unknown scheme":
        return "gopher://127.0.0.1/x"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is no video.\n" * 100)
    elif kind == "playlist":
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n")
    elif kind == "head only":
        whole = write_video(tmp_path / "whole.mp4", seconds=4).read_bytes()
        path.write_bytes(whole[:200])
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "empty",
        "text",
        "playlist",
        "head only",
        "folder",
        "unreachable",
        "unknown scheme",
    ],
)
def test_a_source_that_cannot_be_read(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = _fine(tmp_path, capsys)
    before = run(capsys, "memory", "list", "--store", store, "--json").objects
    ran = run(capsys, "watch", _make(kind, tmp_path), "--store", store, "--json")
    assert ran.code == 3, ran.err
    _one_sentence(ran)
    assert "pa55word" not in ran.err + ran.out
    assert run(capsys, "memory", "list", "--store", store, "--json").objects == before


def test_a_truncated_file_keeps_what_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(tmp_path / "w.mkv", seconds=20, audio="aac").read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    ran = run(capsys, "watch", path, "--store", tmp_path / "m", "--json")
    assert ran.of("clip")
    assert ran.code in (0, 3)


@pytest.mark.parametrize(
    "make",
    [
        {"seconds": 4.0},
        {"seconds": 4.0, "audio": "aac", "rotation": 90},
        {"seconds": 2.0, "size": (2, 2)},
        {"seconds": 4.0, "times": [0, 0.1, 0.9, 1.0, 2.7, 3.9]},
        {"seconds": 4.0, "audio": "aac", "offset_s": 5000.0, "container_format": "mpegts"},
    ],
    ids=["no sound", "rotated", "tiny", "variable rate", "large offset"],
)
def test_unusual_files_are_watched(
    make: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / "a.mp4", **make)  # type: ignore[arg-type]
    ran = run(capsys, "watch", path, "--store", tmp_path / "m", "--json")
    assert ran.code == 0, ran.err
    assert ran.of("clip")[0]["start_s"] == 0
    assert ran.objects[-1]["stream_s"] < 10


def test_sound_alone_and_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import wave

    with wave.open(str(tmp_path / "silent.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * 16000 * 12))
    ran = run(capsys, "watch", tmp_path / "silent.wav", "--store", tmp_path / "m", "--json")
    assert ran.code == 0
    assert not ran.of("utterance")
    assert [each["label"] for each in ran.of("sound")] == ["silence"]


def test_a_file_is_watched_once_unless_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = _fine(tmp_path, capsys)
    ran = run(capsys, "watch", tmp_path / "fine.mp4", "--store", store, "--json")
    assert ran.code == 0
    assert "remembered to its end already" in ran.err
    assert not ran.of("clip")
    ran = run(capsys, "watch", tmp_path / "fine.mp4", "--store", store, "--json", "--again")
    assert ran.of("clip")[0]["start_s"] >= 4


def test_stores_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "fine.mp4", seconds=4)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    newer = tmp_path / "newer"
    assert run(capsys, "watch", video, "--store", newer, "--json").code == 0
    database = apsw.Connection(str(newer / "memory.db"))
    database.pragma("user_version", 9999)
    database.close()
    for store in (other, file, newer, Path("/proc/omnilive-memory")):
        for verb in (("watch", video), ("ask", "what was said?")):
            ran = run(capsys, *verb, "--store", store, "--json")
            assert ran.code == 4, (store, verb, ran.err)
            _one_sentence(ran)
    assert (other / "letter.txt").read_text() == "mine"
    assert file.read_text() == "mine"
    ran = run(capsys, "ask", "what was said?", "--store", tmp_path / "nothing")
    assert ran.code == 4
    assert not (tmp_path / "nothing").exists()


def test_a_second_writer_is_told_about_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from omnilive.memory.store import Store

    video = write_video(tmp_path / "fine.mp4", seconds=4)
    with Store.open(tmp_path / "m", write=True, doing="omnilive watch door"):
        ran = run(capsys, "watch", video, "--store", tmp_path / "m")
    assert ran.code == 4
    assert "omnilive watch door" in ran.err
    assert str(os.getpid()) in ran.err


def test_unknown_ids(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("show", "export", "pin", "forget"):
        ran = run(capsys, "memory", verb, "u9-999", "--store", watched(), "--json")
        assert ran.code == 4
        _one_sentence(ran)


def test_output_that_nobody_reads_ends_quietly() -> None:
    script = f"{sys.executable} -m omnilive memory list --store {watched()} --json"
    first = subprocess.Popen(
        script.split(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    first.stdout.close()
    assert first.stderr is not None
    assert "Traceback" not in first.stderr.read()
    first.stderr.close()
    first.wait(60)
