"""Stands between the server and one child, so that nothing of the child outlives its use.

Our choice. A script, run by a Python of its own (`python -I -S keeper.py CONTROL GRACE COMMAND…`, the child's
environment and folder being its own); it imports nothing of this package.

- The server holds the other end of the socket CONTROL. When that closes, because the server is done with the
  child, has stopped, or was killed, the child gets GRACE seconds to see that its input is over, SIGTERM, as
  long again, and SIGKILL. One byte on the socket means SIGKILL at once.
- The child leads a session and a process group of its own.
- What a child leaves behind, a daemon of its own session included, becomes the keeper's (the subreaper of
  Linux), which ends it and then itself. So the keeper's end is the end of all of it.
- The child dies with the keeper (the parent-death signal of Linux). That signal comes when the *thread* that
  forked ends: here there is one thread. For the same reason the keeper does not rely on it for itself: the
  server may have started it from a thread that is long gone.

On the socket it says `started PID`, or `failed ERRNO`, and at the end `ended CODE`, each a line; a negative
CODE is a signal's number. Written for a small start: what is heavy to import is not imported.
"""

import contextlib
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
UNKILLABLE = 10.0
"""Seconds after which a process that SIGKILL does not end (it waits for a device) is left to the system."""
HANDLED: tuple[int, ...] = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGQUIT,
)


def main(arguments: list[str]) -> None:
    control, grace, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    os.set_inheritable(control, False)
    for number in HANDLED:
        # A terminal's or a supervisor's signal is for the server: it says what happens to its children.
        signal.signal(number, signal.SIG_IGN)
    waker, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = start(command)
    if isinstance(child, OSError):
        say(control, f"failed {child.errno or 0}")
        return
    # The pipes are the child's alone: when it closes them, the server sees it.
    for stream in (0, 1, 2):
        os.close(stream)
    say(control, f"started {child}")
    code = watch(child, control, waker, grace)
    end_rest()
    say(control, f"ended {code}")


def prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def start(command: list[str]) -> int | OSError:
    """The child's pid; OSError when its program can't be run."""
    reading, writing = os.pipe()  # closed by exec: whatever comes through is why there was none
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for number in (*HANDLED, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != keeper:
                os._exit(1)  # it ended before it could have been heard
            os.execvp(command[0], command)  # noqa: S606 - what the operator has configured
        except OSError as error:
            os.write(writing, b"%d" % (error.errno or 0))
        except BaseException:
            os.write(writing, b"0")
        os._exit(127)
    os.close(writing)
    failed = os.read(reading, 16)
    os.close(reading)
    if failed:
        os.waitpid(pid, 0)
        return OSError(int(failed), "")
    return pid


def watch(child: int, control: int, waker: int, grace: float) -> int:
    """Wait until the child has ended, or nobody wants it any more; its exit code, reaped or not."""
    steps: list[tuple[float, int]] = [(grace, signal.SIGTERM), (grace, signal.SIGKILL), (UNKILLABLE, 0)]
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(waker, select.POLLIN)
    due: float | None = None
    while True:
        code = reap(child)
        if code is not None:
            return code
        wait = None if due is None else max(0, due - time.monotonic()) * 1000
        ready = [descriptor for descriptor, _ in poller.poll(wait)]
        if waker in ready:
            os.read(waker, 4096)
        if control in ready:
            poller.unregister(control)
            if read_order(control):
                steps[:2] = [(0, signal.SIGKILL)]
            due = time.monotonic() + steps[0][0]
        if due is not None and time.monotonic() >= due:
            _, number = steps.pop(0)
            if number == 0:
                return -signal.SIGKILL
            signal_group(child, number)
            due = time.monotonic() + steps[0][0]


def read_order(control: int) -> bool:
    """Whether the child is to die at once."""
    try:
        return os.read(control, 1) != b""
    except OSError:
        return False


def reap(child: int) -> int | None:
    """Take what has ended off the list; the child's code, once it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return -signal.SIGKILL
        if pid == child:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            return None


def signal_group(child: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child, number)


def end_rest() -> None:
    """End everything that the child has left. Killing one hands over its own children."""
    deadline = time.monotonic() + UNKILLABLE
    while time.monotonic() < deadline:
        for pid in list_children():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def list_children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [pid for pid in map(int, filter(str.isdigit, list_processes())) if find_parent(pid) == own]


def list_processes() -> list[str]:
    try:
        return os.listdir("/proc")
    except OSError:
        return []


def find_parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def say(control: int, words: str) -> None:
    with contextlib.suppress(OSError):
        os.write(control, words.encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
