from __future__ import annotations

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.events import Caption, Clip, VideoFrame
from omnilive.perception.captions import CaptionConfig, Captioner
from omnilive.remote import ChatClient, ChatConfig
from vlm_server import VlmServer


def clip(number: int = 0, *, changed: bool = True, frames: int = 3) -> Clip:
    pixels = np.full((90, 160, 3), 40 * number % 255, np.uint8)
    return Clip(
        id=f"c1-{number * 10_000}",
        stream=1,
        start_ns=number * 10**10,
        end_ns=(number + 1) * 10**10,
        num_frames=10,
        changed=changed,
        motion=0.0,
        moving=(),
        descriptor=None,
        descriptor_model="",
        pictures=tuple(
            VideoFrame(stream=1, at_ns=number * 10**10 + i, pixels=pixels) for i in range(frames)
        ),
    )


def captioner(server: VlmServer, **changes: object) -> Captioner:
    chat = ChatClient(ChatConfig(url=server.url, model="eyes", backoff_s=0.01, max_wait_s=0.02))
    return Captioner(CaptionConfig(**changes), chat)


def captions(stage: Captioner, event: Clip, cancel: Cancel | None = None) -> list[Caption]:
    return list(stage.push(event, cancel or Cancel()))


def test_a_changed_clip_gets_one_caption():
    with VlmServer("good", text="Two red\ncars\x1b[31m stop at a gate.") as server:
        stage = captioner(server)
        (caption,) = captions(stage, clip())
        assert caption == Caption(
            stream=1, clip="c1-0", text="Two red cars [31m stop at a gate.", model="eyes"
        )
        assert server.pictures == 3
        assert captions(stage, clip()) == []
        assert len(server.requests) == 1


def test_quiet_clips_and_clips_without_pictures_are_not_sent():
    with VlmServer("good") as server:
        stage = captioner(server)
        assert captions(stage, clip(changed=False)) == []
        assert captions(stage, clip(frames=0)) == []
        assert captions(captioner(server, enabled=False), clip()) == []
        assert server.requests == []


def test_at_most_the_configured_number_of_pictures_goes():
    with VlmServer("good") as server:
        captions(captioner(server, max_pictures=2), clip())
        assert server.pictures == 2


def test_after_a_failure_the_next_clip_goes_on():
    with VlmServer("failing") as server:
        stage = captioner(server)
        with pytest.raises(BackendError):
            captions(stage, clip(0))
        server.mode = "good"
        assert [caption.clip for caption in captions(stage, clip(1))] == ["c1-10000"]
        assert captions(stage, clip(0)) == []


def test_a_caption_is_bounded():
    with VlmServer("good", text="word " * 4000) as server:
        (caption,) = captions(captioner(server, max_chars=60), clip())
        assert len(caption.text) <= 60
        assert caption.text.endswith("word...")


def test_an_endless_caption_is_cut_off():
    with VlmServer("endless") as server:
        (caption,) = captions(captioner(server, max_chars=60), clip())
        assert len(caption.text) <= 60
        assert server.gone.wait(60)


def test_a_cut_clip_may_be_tried_again():
    with VlmServer("good") as server:
        stage, cancel = captioner(server), Cancel()
        cancel.set()
        assert captions(stage, clip(), cancel) == []
        assert len(captions(stage, clip())) == 1


def test_wrong_number_of_pictures_is_refused():
    with pytest.raises(ConfigError, match="max_pictures"):
        CaptionConfig(max_pictures=9)
