# Child processes of the benchmark: started, stopped by pid, and weighed (CPU time and memory of a whole process tree).
"""Everything here reads /proc; a "tree" is a process with all its descendants."""

import os
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """Something needed for a figure did not work; the message says what."""


def _stat_fields(pid):
    """Fields of /proc/PID/stat from the third on (state, ppid, ...), or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(root):
    """The pids of `root` and of all its descendants that are alive."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat_fields(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, ()))
    return found


def cpu_seconds(root):
    """User and system time of the tree so far, including children that have ended and been waited for."""
    ticks = 0
    for pid in tree(root):
        if fields := _stat_fields(pid):
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / TICKS_PER_SECOND


def user_bytes(root):
    """Memory of the tree in user space: proportional set size, so that pages shared by workers count once."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                for line in file:
                    if line.startswith(b"Pss:"):
                        total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            raise CannotMeasure(f"may not read the memory of process {pid}: {error}") from error
    return total


def sockets(root):
    """How many sockets the tree has open."""
    count = 0
    for pid in tree(root):
        try:
            with os.scandir(f"/proc/{pid}/fd") as entries:
                count += sum(1 for entry in entries if _is_socket(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            raise CannotMeasure(f"may not see the descriptors of process {pid}: {error}") from error
    return count


def _is_socket(entry):
    try:
        return os.readlink(entry.path).startswith("socket:")
    except FileNotFoundError:  # closed meanwhile
        return False


def machine_busy_seconds():
    """CPU time all processors have spent on anything (or lost to other guests of the host) since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(v) for v in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


class Process:
    """One program started by the benchmark. Use as a context manager: leaving stops it and all it started."""

    def __init__(self, name, argv, directory, pipe_stdout=False):
        self.name = name
        self.log = os.path.join(directory, f"{name}.log")
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches the benchmark, which then stops its children in order.
            try:
                self._child = subprocess.Popen(
                    argv, cwd=directory, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True,
                    stdout=subprocess.PIPE if pipe_stdout else log)
            except OSError as error:
                raise CannotMeasure(f"{name} does not start: {error}") from error
        self.pid = self._child.pid
        self.stdout = self._child.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def alive(self):
        return self._child.poll() is None

    def last_words(self):
        """The end of what the program wrote, for an error message."""
        with open(self.log, "rb") as file:
            lines = file.read()[-2000:].decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-4:]) or "it wrote nothing"

    def wait_until(self, ready, seconds=15.0):
        """Waits until `ready()` is true; fails when the program ends first or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise CannotMeasure(f"{self.name} ended at start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise CannotMeasure(f"{self.name} was not ready after {seconds:.0f} s: {self.last_words()}")
            time.sleep(0.02)

    def stop(self, grace=5.0):
        """SIGTERM, time to end, then SIGKILL for whatever of the tree is left."""
        if self.stdout:
            self.stdout.close()
        if not self.alive():
            return
        members = {pid: fields[19] for pid in tree(self.pid) if (fields := _stat_fields(pid))}
        self._child.terminate()
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pid, started in members.items():
            fields = _stat_fields(pid)
            if fields and fields[19] == started:  # the same process, not a newcomer with its number
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
