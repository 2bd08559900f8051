"""JSON files of any size are read item by item; what is wrong in them is named with its place."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnilive.errors import MediaError
from omnilive.training.readers import json_stream
from omnilive.training.readers.json_stream import list_items, object_items

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.text(max_size=12), st.floats(-1, 1)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("window", [1, 3, 64, 65_536])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.lists(VALUES, max_size=6),
    named=st.dictionaries(st.text(max_size=6), VALUES, max_size=5),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_every_window_gives_what_the_whole_file_holds(
    window: int,
    values: list[object],
    named: dict[str, object],
    indent: int | None,
    ascii_only: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stream, "_WINDOW", window)
    path = tmp_path / "a.json"

    def write(value: object) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        path.write_text(text, encoding="utf-8")

    write(values)
    assert [item.value for item in list_items(path)] == values
    write(named)
    assert {item.key: item.value for item in object_items(path)} == named
    write({"before": named, "audios": values, "after": 1})
    assert [item.value for item in list_items(path, "audios")] == values
    assert {item.key: item.value for item in object_items(path, "before")} == named


@pytest.mark.parametrize("window", [5, 65_536])
def test_a_file_cut_anywhere_is_an_error_that_names_file_line_and_item(
    window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_WINDOW", window)
    whole = json.dumps([{"a": 'x"\\y', "b": [1.5, None]}, {"a": "\u6c49"}], indent=1)
    path = tmp_path / "cut.json"
    for length in range(len(whole)):
        path.write_text(whole[:length], encoding="utf-8")
        with pytest.raises(MediaError, match=r"cut\.json, line \d") as caught:
            list(list_items(path))
        assert "cut off" in str(caught.value) or "expected" in str(caught.value)


def test_what_came_before_the_damage_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n{"n": 1},\n{"n": 2},\n{"n": oops}\n]' + " " * 100, encoding="utf-8")
    items = list_items(path)
    assert next(items).place.line == 2
    assert next(items).value == {"n": 2}
    with pytest.raises(MediaError, match=r"line 4, item 3: this is not valid JSON"):
        next(items)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a list is expected"),
        ('{"a": 1}', "a list is expected"),
        ("[1, 2] 3", "goes on"),
        ("[1 2]", "',' is expected"),
        ("[" * 100_000, "too deeply|cut off"),
        (f"[{'9' * 5_000}, 1]", "too long"),
        ("[1, ]", "not valid JSON|cut off"),
    ],
)
def test_hostile_lists(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MediaError, match=said):
        list(list_items(path))


def test_a_missing_key_and_wrong_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"version": 1}', encoding="utf-8")
    with pytest.raises(MediaError, match="no 'audios'"):
        list(list_items(path, "audios"))
    path.write_bytes(b'["\xff\xfe"]')
    with pytest.raises(MediaError, match="UTF-8"):
        list(list_items(path))
    with pytest.raises(MediaError, match="cannot be read"):
        list(list_items(tmp_path / "none.json"))


def test_a_value_without_end_is_given_up_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_LARGEST", 100_000)
    path = tmp_path / "a.json"
    path.write_text('["' + "x" * 2_000_000, encoding="utf-8")
    with pytest.raises(MediaError, match="more than 100000 characters"):
        list(list_items(path))


def test_a_large_list_takes_the_memory_of_one_item(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("w", encoding="utf-8") as file:
        file.write('{"audios": [')
        for number in range(20_000):
            file.write(f'{"," if number else ""}{{"sid": {number}, "text": "{"word " * 40}"}}')
        file.write("]}")
    assert path.stat().st_size > 4_000_000
    tracemalloc.start()
    try:
        count = sum(1 for _ in list_items(path, "audios"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000
