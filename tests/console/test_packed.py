"""What an action did, in the URL that it leads to."""

from __future__ import annotations

from flask_worker_templates.console.undo import Done, packed, unpacked


def test_what_was_done_survives_its_url() -> None:
    done = (Done("0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10", 1), Done("00000000-0000-4000-8000-000000000000", 70_000))
    assert unpacked(packed(done)) == done
    for text in ("", "é", "AAAA", "=", "!" * 40, packed(done)[:-1], "A" * 9000):
        assert unpacked(text) == ()
    assert packed([done[0]] * 200) == ""  # too long for a URL
