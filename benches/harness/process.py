"""Starts and stops our own processes, and reads what they cost."""
import os
import re
import signal
import subprocess


class Process:
    """A child with its log, on one CPU or on any."""

    def __init__(self, argv, log, cpu=None, **more):
        pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        self.log = log
        self.file = open(log, "wb")
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", self.file)
        self.child = subprocess.Popen(argv, stderr=self.file, start_new_session=True, preexec_fn=pin, **more)
        self.pid = self.child.pid

    def stop(self):
        if self.child.poll() is None:
            descendants = tree(self.pid)[1:]
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            for pid in descendants:  # should one outlive it
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        self.file.close()

    def check_alive(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"exited with {self.child.returncode}: {self.tail()}")

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-600:].strip()


def tree(pid):
    """A process and its descendants."""
    pids = [pid]
    for p in pids:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    pids += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return pids


def cpu_ns(pids):
    """CPU time of all threads. The scheduler's own count in nanoseconds: clock ticks are too coarse."""
    total = 0
    for p in pids:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total


def rss_kb(pids):
    total = 0
    for p in pids:
        try:
            with open(f"/proc/{p}/status") as f:
                total += int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        except (OSError, TypeError):
            pass
    return total
