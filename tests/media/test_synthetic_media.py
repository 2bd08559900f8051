from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE
from omnilive.media.synthetic import (
    Said,
    Silence,
    Sound,
    Thing,
    World,
    render,
    still_with_clock,
)
from omnilive.media.synthetic.mixing import Mixer
from omnilive.media.synthetic.painting import Painter

SIZE = (320, 180)


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, 61.5)


def heard(world: World, rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.concatenate(list(Mixer(world, rate).blocks()))


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_sound_is_where_the_log_says(world: World, rate: int):
    samples = heard(world, rate)
    assert samples.size == 61.5 * rate
    assert np.abs(samples).max() <= 1.0
    for one in world.log:
        if isinstance(one, Said | Sound | Silence):
            part = samples[round(one.start_s * rate) : round(one.end_s * rate)]
            loudest = np.abs(part[20:-20]).max()
            assert loudest < 0.01 if isinstance(one, Silence) else loudest > 0.3
        if isinstance(one, Said):
            # The sound begins and ends with the span, to a hundredth of a second.
            step = rate // 100
            assert np.abs(part[: 2 * step]).max() > 0.004
            assert np.abs(part[-2 * step :]).max() > 0.004
            before = samples[
                max(0, round(one.start_s * rate) - 5 * step) : round(one.start_s * rate)
            ]
            assert np.abs(before).max(initial=0.0) < 0.01


def test_blocks_in_any_order_are_the_same(world: World):
    forward = list(Mixer(world, SAMPLE_RATE).blocks())
    mixer = Mixer(World(7, 61.5), SAMPLE_RATE)
    for second in (61, 20, 3, 40):
        np.testing.assert_array_equal(mixer.block(second), forward[second])


def test_pictures_depend_on_the_instant_alone(world: World):
    painter, other = Painter(world, SIZE), Painter(World(7, 61.5), SIZE)
    times = [second * NS_PER_S for second in (0, 7, 15, 33, 50, 61)]
    frames = [painter.frame(at_ns) for at_ns in times]
    assert {frame.shape for frame in frames} == {(180, 320, 3)}
    for at_ns, frame in zip(reversed(times), reversed(frames), strict=True):
        np.testing.assert_array_equal(other.frame(at_ns), frame)
        assert not frame.flags.writeable


def test_the_picture_changes_while_something_moves_and_only_then(world: World):
    painter = Painter(world, SIZE)
    moving = [one for one in world.log if isinstance(one, Thing) and one.moving]
    assert moving
    for thing in moving:
        begin_ns, stop_ns = thing.moving
        before = painter.frame(begin_ns - NS_PER_S)
        np.testing.assert_array_equal(before, painter.frame(begin_ns))
        middle = painter.frame((begin_ns + stop_ns) // 2)
        changed = np.abs(middle.astype(int) - before).max(axis=2) > 20
        # It moves in the lower part and covers about its own size, twice.
        assert not changed[: 180 // 3].any()
        assert 0.2 * thing.size**2 * 180**2 < changed.sum() < 2.5 * thing.size**2 * 180**2
        assert painter.is_like(begin_ns, begin_ns - NS_PER_S)
        assert not painter.is_like(stop_ns, begin_ns)


def test_a_thing_has_its_colour(world: World):
    painter = Painter(world, SIZE)
    things = [one for one in world.log if isinstance(one, Thing) and not one.moving]
    assert things
    for thing in things:
        _, x, y = thing.path[0]
        pixel = painter.frame(thing.start_ns)[round(y * 180), round(x * 320)]
        assert np.abs(pixel.astype(int) - thing.colour).max() < 25


def test_a_still_picture_has_noise_and_a_clock_that_ticks():
    painter = Painter(still_with_clock(3, 60, grain=4), SIZE)
    first, second = painter.frame(0).astype(int), painter.frame(NS_PER_S).astype(int)
    difference = np.abs(second - first).max(axis=2)
    rows, columns = np.nonzero(difference > 8)
    assert rows.size, "the clock ticked"
    assert rows.max() < 180 / 4
    assert columns.min() > 320 / 2
    elsewhere = difference[60:]
    assert 0 < elsewhere.max() <= 8
    assert elsewhere.mean() > 1


@pytest.fixture(scope="module")
def rendered(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "world.mp4"
    done: list[float] = []
    render(world, path, fps=10, size=SIZE, gop=10, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 61.5
    return path


def test_the_file_shows_the_world(world: World, rendered: Path):
    painter = Painter(world, SIZE)
    with av.open(str(rendered)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        frames = list(container.decode(stream))
    assert len(frames) == 615
    assert [frame.time for frame in frames[:3]] == pytest.approx([0.0, 0.1, 0.2])
    for index in range(0, 615, 41):
        shown = frames[index].to_ndarray(format="rgb24").astype(int)
        true = painter.frame(index * NS_PER_S // 10)
        assert np.abs(shown - true).mean() < 8


def test_keyframes_are_as_close_as_asked(rendered: Path):
    with av.open(str(rendered)) as container:
        packets = container.demux(container.streams.video[0])
        keys = [packet.pts * packet.time_base for packet in packets if packet.is_keyframe]
    gaps = [later - earlier for earlier, later in zip(keys, keys[1:], strict=False)]
    assert max(gaps) <= Fraction(1)


def test_the_file_sounds_as_the_world(world: World, rendered: Path):
    with av.open(str(rendered)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        pieces = [
            piece.to_ndarray()[0]
            for frame in container.decode(container.streams.audio[0])
            for piece in resampler.resample(frame)
        ]
    got, true = np.concatenate(pieces), heard(world)
    size = min(got.size, true.size)
    assert abs(got.size - true.size) < 0.1 * SAMPLE_RATE
    # Where it is loud, to 100 ms.
    step = SAMPLE_RATE // 10
    loud = [
        np.abs(sound[: size // step * step].reshape(-1, step)).max(axis=1) > 0.05
        for sound in (got, true)
    ]
    assert np.mean(loud[0] == loud[1]) > 0.98


def test_equal_worlds_give_equal_files(tmp_path: Path):
    for name in ("a.mp4", "b.mp4"):
        render(World(3, 9), tmp_path / name, fps=5, size=SIZE)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_world_without_sound_has_no_sound_track(tmp_path: Path):
    render(still_with_clock(1, 8), tmp_path / "still.mp4", fps=2, size=SIZE)
    with av.open(str(tmp_path / "still.mp4")) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 16


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match="nowhere"):
        render(World(1, 8), tmp_path / "nowhere" / "a.mp4", fps=2, size=SIZE)


@pytest.mark.parametrize(("fps", "size"), [(0, SIZE), (2, (321, 180)), (2, (320, 2))])
def test_what_cannot_be_encoded_is_refused(tmp_path: Path, fps: int, size: tuple[int, int]):
    with pytest.raises(UsageError, match="even sizes"):
        render(World(1, 8), tmp_path / "a.mp4", fps=fps, size=size)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(854, 480), (1280, 720)])
def test_the_text_in_the_picture_can_be_read(size: tuple[int, int]):
    rapidocr = pytest.importorskip("rapidocr")
    reader = rapidocr.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "error",
            "Det.limit_side_len": 736,
            "Det.limit_type": "max",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
    world = World(7, 240)
    painter = Painter(world, size)
    texts = [scene.text for segment in world.segments for scene in segment.scenes if scene.text]
    assert len(texts) >= 4
    for text in texts:
        read = reader(painter.frame(text.start_ns)[:, :, ::-1])
        assert tuple(read.txts) == text.all_lines


@pytest.mark.slow
def test_what_is_said_can_be_recognised():
    moonshine = pytest.importorskip("moonshine_voice")
    recogniser = moonshine.Transcriber(
        model_path=str(moonshine.get_model_path("tiny-en")), model_arch=moonshine.ModelArch.TINY
    )
    world = World(7, 180)
    sound = heard(world)
    said = [one for one in world.log if isinstance(one, Said)]
    right = 0
    for one in said:
        start, end = (
            round((one.start_s - 0.3) * SAMPLE_RATE),
            round((one.end_s + 0.4) * SAMPLE_RATE),
        )
        transcript = recogniser.transcribe_without_streaming(sound[start:end].tolist(), SAMPLE_RATE)
        text = " ".join(line.text for line in transcript.lines)
        right += text.lower().strip(" .") == one.text.lower().strip(" .")
    recogniser.close()
    assert right >= 0.85 * len(said)
