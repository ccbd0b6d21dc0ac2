"""Runs a command and writes what it cost as JSON: `spawn.py REPORT COMMAND...`.

A process of its own, because the peak memory of a child counts from before it became another program: whoever
forks from a large script measures the script. Run with -I -S it has 9 MB, less than the program under measurement.
"""

import json
import os
import sys
import time


def main():
    report, command = sys.argv[1], sys.argv[2:]
    begun = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    # What it read is gone with it, so it is asked before it is reaped.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - begun
    try:
        with open(f"/proc/{child}/io") as counts:
            io = dict(line.strip().split(": ") for line in counts)
    except OSError:
        io = {}
    _, status, usage = os.wait4(child, 0)
    with open(report, "w") as out:
        json.dump({
            "code": os.waitstatus_to_exitcode(status),
            "seconds": round(seconds, 3),
            "cpu": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mb": round(usage.ru_maxrss / 1024, 1),
            "read_mb": round(int(io.get("rchar", 0)) / 1e6, 3),
            "written_mb": round(int(io.get("wchar", 0)) / 1e6, 3),
        }, out)


main()
