"""A camera behind RTSP (H.265 and G.711, a password with @:/), watched by the whole program."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import av
import pytest

import omnilive
from live_support import (
    PASSWORD,
    Camera,
    Watching,
    bytes_under,
    command,
    have_camera,
    lines,
    wall_minus_stream_s,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not have_camera(), reason="gst-rtsp-server for the system's Python is not installed"
    ),
]
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), "admin:", "admin%3A", "p@ss", "p%40ss", "w%2Frd")


def assert_secret_free(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]


def length_s(path: Path) -> tuple[float, int]:
    """Decode a clip; return seconds of sound and number of pictures."""
    with av.open(str(path)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    return seconds, pictures


def test_a_camera_is_remembered_while_it_goes_and_comes_back_and_its_password_is_nowhere(
    tmp_path: Path,
) -> None:
    store = tmp_path / "memory"
    with Camera() as camera:
        port = camera.port
        address = camera.address("/main")
        watch = Watching(address, "--store", store, "--stream", "cam", verbose=True)
        with watch:
            clip = watch.wait_for("clip")[0]
            for child in watch.children():
                for kind in ("cmdline", "environ"):
                    assert_secret_free(Path(f"/proc/{child}/{kind}").read_bytes().decode("latin-1"))
            # Another process sees what was acknowledged, while it is being written.
            listed = command("memory", "list", "--store", store, "--json")
            assert listed.returncode == 0
            assert clip["id"] in {each["id"] for each in lines(listed.stdout)}
            shown = command("memory", "show", clip["id"], "--store", store, "--json")
            assert lines(shown.stdout)[0]["id"] == clip["id"]
            assert lines(shown.stdout)[0]["playable"]
            target = tmp_path / "clip.mp4"
            exported = command(
                "memory", "export", clip["id"], "--store", store, "--out", target, "--json"
            )
            assert exported.returncode == 0, exported.stderr
            seconds, pictures = length_s(Path(lines(exported.stdout)[0]["file"]))
            wanted_s = clip["end_s"] - clip["start_s"]
            assert seconds == pytest.approx(wanted_s, abs=1.1)  # from keyframe to keyframe
            assert pictures == pytest.approx(wanted_s * 10, abs=11)
            asked = command("ask", "what is there now?", "--store", store, "--json")
            assert asked.returncode == 0, asked.stderr
            assert lines(asked.stdout)[0]["citations"]

            camera.kill()
            failure = watch.wait_for("failure")[0]
            assert failure["stage"] == "source cam"
            assert "closed the connection" in failure["error"] or "stalled" in failure["error"]
            with Camera(port):
                again = watch.wait_for("stream", 2)[1]
                first = watch.of("stream")[0]
                assert again["epoch"] > first["epoch"]
                ended = watch.of("stream_end")[0]
                assert again["start_s"] >= ended["end_s"]
                assert wall_minus_stream_s(again) == pytest.approx(
                    wall_minus_stream_s(first), abs=0.002
                )
                # What was perceived before the end was committed up to the end.
                before = [c for c in watch.of("clip") if c["start_s"] < ended["end_s"]]
                assert before[-1]["end_s"] == pytest.approx(ended["end_s"], abs=0.002)
                later = watch.wait(
                    lambda: [c for c in watch.of("clip") if c["start_s"] >= again["start_s"]],
                    "clip of the second epoch",
                )[0]
                assert watch.stop() == 0
        summary = watch.objects[-1]
        assert summary["event"] == "summary"
        assert summary["clips"] == len(watch.of("clip"))
        assert summary["stream_s"] == pytest.approx(
            sum(e["end_s"] for e in watch.of("stream_end"))
            - sum(s["start_s"] for s in watch.of("stream")),
            abs=0.01,
        )
        assert watch.of("stream_end")[-1]["error"] == ""
        assert_secret_free(watch.err + str(watch.objects))
        assert "Traceback" not in watch.err

    with omnilive.open(store) as memory:
        kept = memory.clips(limit=100)
        printed = [each["id"] for each in watch.of("clip")]
        assert [each.id for each in kept] == printed
        assert all(each.playable for each in kept)
        out = memory.export(later["id"], tmp_path / "later.mp4")
    assert length_s(out)[1] > 5
    for path, data in bytes_under(store):
        found = [s for s in SECRETS if s.encode() in data]
        assert not found, path


def test_a_sub_stream_is_looked_at_and_the_main_stream_kept(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with Camera() as camera:
        arguments = (camera.address("/main"), "--detect", camera.address("/sub"))
        with Watching(*arguments, "--store", store, "--stream", "cam", verbose=True) as watch:
            clip = watch.wait_for("clip")[0]
            watch.type("what is there now?")
            answer = watch.wait_for("answer")[0]
            assert answer["citations"]
            assert watch.stop() == 0
    assert clip["playable"]
    assert_secret_free(watch.err + str(watch.objects))
    with omnilive.open(store) as memory:
        target = memory.export(clip["id"], tmp_path / "clip.mp4")
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.width == 320  # the main stream's


def test_a_camera_that_refuses_the_password_ends_with_one_sentence(tmp_path: Path) -> None:
    with Camera() as camera:
        ran = command(
            "-v", "watch", camera.address("/main", "wr@ng"), "--store", tmp_path / "m", "--json"
        )
    assert ran.returncode == 3
    assert "password" in ran.stderr
    assert not re.search("wr@ng|wr%40ng|Traceback", ran.stderr + ran.stdout)
