# When an event was sent, as text within it: written by live.py, read by audience.py.
import re
import time

STAMP = re.compile(rb"sent=([0-9]+);")
LONGEST = 40  # bytes of one, at most


def now():
    """The time as text; the clock is the same for all processes of a machine."""
    return b"sent=%d;" % time.monotonic_ns()


def sent_at(data):
    """The times in `data`, in nanoseconds, and the bytes behind the last of them that may begin another."""
    end, times = 0, []
    for found in STAMP.finditer(data):
        times.append(int(found[1]))
        end = found.end()
    return times, data[max(end, len(data) - LONGEST):]
