"""How far programs are, read from what they print."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from headway.capture.lines import MAX_LINE_CHARS, Line, LineSplitter
from headway.capture.measures import MeasureReader, is_field

CURL = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current"
FFMPEG = [
    "  Duration: 00:01:40.00, start: 0.000000, bitrate: 1205 kb/s",
    "    Stream #0:0[0x1](und): Video: h264, yuv420p, 1280x720 [SAR 1:1 DAR 16:9], 25 fps",
]
STATS = "frame=  100 fps= 25 q=28.0 size=     256kB time=00:00:25.00 bitrate= 524.3kbits/s speed=1x"


def read(lines: Iterable[str], *, is_drawn: bool = False, duration: float | None = None) -> object:
    """Return the last `(current, total)` that these lines say."""
    reader = MeasureReader(duration)
    found = [reader.read(line, is_drawn=is_drawn) for line in lines]
    measures = [measure for measure in found if measure]
    return tuple(measures[-1]) if measures else None


@pytest.mark.parametrize(
    ("lines", "measure"),
    [
        (["45%"], (45, 100)),
        (["Receiving objects:  45% (450/1000), 1.20 MiB | 2 MiB/s"], (45, 100)),
        (["[ 12.5%] Building CXX object"], (12.5, 100)),
        (["  1,238,099  45%  146.38kB/s    0:00:08 (xfr#5, to-chk=169/396)"], (45, 100)),  # rsync
        (["file.zip      37%[======>          ] 460.00M  10.2MB/s    eta 55s"], (37, 100)),  # wget
        ([" 50K .......... .......... 45% 10.2M 55s"], (45, 100)),  # wget, without a terminal
        (["####################            45.3%"], (45.3, 100)),  # curl -#
        (["[12/345] Compiling"], (12, 345)),
        (["Epoch 3/10"], (3, 10)),
        (["files (3/10)"], (3, 10)),
        (["3%", "[1/2]"], (3, 100)),  # the first kind counts
        (["[1/2]", "99%"], (1, 2)),
        ([*FFMPEG, STATS], (25, 100)),
        ([*FFMPEG, "out_time_us=30000000", "out_time=00:00:30.000000"], (30, 100)),
        ([*FFMPEG, "out_time=00:00:30.000000", "progress=end"], (100, 100)),
        ([*FFMPEG, STATS.replace("00:00:25.00", "N/A")], None),
        ([STATS], (25, None)),
        (["100% cotton", *["[1/9]", "[2/9]", "[3/9]"]], (3, 9)),  # it was no progress
        (["10%", "[1/2]", "20%", "[1/2]", "[2/2]", "30%"], (30, 100)),
        (["delta -5%"], None),
        (["[-----50%-----]"], (50, 100)),
        (["speed 250%"], None),
        (["on 29/11/2026, see a/1/2 and HTTP/1.1"], None),
        (["11/29 08:00 started"], None),
        (["[15/10]"], None),
        (["nothing"], None),
    ],
)
def test_a_line_says_how_far(lines: list[str], measure: object):
    assert read(lines) == measure


@pytest.mark.parametrize("line", ["time={}:00:00", "out_time={}:00:00.0", "Duration: {}:00:00.00"])
def test_a_time_of_hundreds_of_digits_says_nothing(line: str):
    assert read([line.format("9" * 400), "time=00:00:25.00"]) == (25, None)


def test_what_is_drawn_may_stand_anywhere():
    table = " 45 1024M   45  460M    0     0  10.2M      0  0:01:40  0:00:45  0:00:55 10.3M"

    assert read([CURL, table], is_drawn=True) == (45, 100)
    assert read([table]) is None
    assert read(["3/10"], is_drawn=True) == (3, 10)


def test_a_duration_of_ones_own_counts_instead_of_the_inputs():
    assert read([*FFMPEG, STATS], duration=50) == (25, 50)


@pytest.mark.parametrize("line", ["frame=10", "stream_0_0_q=28.0", "speed=1.5x", "progress=end"])
def test_ffmpegs_fields_are_no_lines_for_people(line: str):
    assert is_field(line)
    assert not is_field(f"said: {line}")


def split(*pieces: str) -> list[Line]:
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return [*lines, *splitter.close()]


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["a\nb\r\nc"], ["a", "b", "c"]),
        (["a", "b\n"], ["ab"]),
        (["a\r", "\nb\n"], ["a", "b"]),
        (["10%\r", "20%\r", "done\n"], ["done"]),
        (["\r10%", "\r20%", "\rdone\n"], ["done"]),
        (["10%\b\b\b20%\b\b\bdone\n"], ["done"]),
        (["Working |\b/\b-\b", "\\\n"], ["Working \\"]),
        (["Reading 10%\b\b\b20%", "\b\b\bdone\n"], ["Reading done"]),
        (["ab\b \b\n", "a\b\b\bcd\n"], ["a", "cd"]),
        (["\x1b[1;31mred\x1b[0m  \n"], ["red"]),
        (["x" * (MAX_LINE_CHARS + 1)], ["x" * MAX_LINE_CHARS, "x"]),
    ],
)
def test_lines_of_pieces(pieces: list[str], kept: list[str]):
    assert [line.text for line in split(*pieces) if line.is_final and line.text] == kept


def test_what_is_drawn_so_far_is_known_before_its_line_ends():
    splitter = LineSplitter()

    list(splitter.feed("\r 45%"))

    assert splitter.drawn() == " 45%"
