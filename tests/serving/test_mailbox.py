from __future__ import annotations

import threading

from omnilive.serving.mailbox import Mailbox


def test_letters_come_out_in_order_and_then_none() -> None:
    box: Mailbox[int] = Mailbox(3)
    for number in (1, 2, 3):
        assert box.put(number)
    box.close()
    assert [box.get(), box.get(), box.get(), box.get()] == [1, 2, 3, None]
    assert not box.put(4)


def test_put_waits_for_room_and_loses_nothing() -> None:
    box: Mailbox[int] = Mailbox(2)
    sender = threading.Thread(target=lambda: [box.put(number) for number in range(500)])
    sender.start()
    taken = [box.get(timeout=30) for _ in range(500)]
    sender.join()
    assert taken == list(range(500))


def test_put_now_goes_over_capacity_and_may_jump_the_queue() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.put(1)
    box.put_now(2)
    box.put_now(0, first=True)
    assert [box.get(), box.get(), box.get()] == [0, 1, 2]


def test_newest_wins_among_its_like_only() -> None:
    box: Mailbox[tuple[str, int]] = Mailbox(100)
    pushed_out = 0
    for number in range(5):
        box.put(("sound", number))
        pushed_out += box.put_newest(("frame", number), lambda letter: letter[0] == "frame", 2) or 0
    taken = [box.get() for _ in range(len(box))]
    assert [n for kind, n in taken if kind == "sound"] == [0, 1, 2, 3, 4]  # type: ignore[misc]
    assert [n for kind, n in taken if kind == "frame"] == [3, 4]  # type: ignore[misc]
    assert pushed_out == 3
    box.close()
    assert box.put_newest(("frame", 9), lambda _: True, 2) is None


def test_discard_returns_what_it_takes_out() -> None:
    box: Mailbox[int] = Mailbox(10)
    for number in range(6):
        box.put(number)
    assert box.discard(lambda number: number % 2 == 0) == [0, 2, 4]
    assert len(box) == 3


def test_closing_frees_who_waits_for_room() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.put(1)
    results: list[bool] = []
    sender = threading.Thread(target=lambda: results.append(box.put(2)))
    sender.start()
    box.close()
    sender.join(30)
    assert results == [False]


def test_thinning_keeps_the_span_of_what_waits() -> None:
    box: Mailbox[tuple[str, int]] = Mailbox(100)
    taken_out = 0
    for number in range(20):
        box.put(("clip", number))
        taken_out += box.put_thinned(("frame", number), lambda letter: letter[0] == "frame", 8) or 0
    taken = [box.get() for _ in range(len(box))]
    frames = [n for kind, n in taken if kind == "frame"]  # type: ignore[misc]
    assert frames[0] == 0
    assert frames[-1] == 19
    assert len(frames) <= 8
    assert len(frames) + taken_out == 20
    assert [n for kind, n in taken if kind == "clip"] == list(range(20))  # type: ignore[misc]
    box.close()
    assert box.put_thinned(("frame", 9), lambda _: True, 2) is None
