"""Machines that share a repository, and a book of what was promised to them.

A machine is a state, a cache and a source tree of its own, in a folder. The book keeps, for each backup that was acknowledged
(exit code 0 or 3, with an id), what the tree was, and for each snapshot that somebody tried to forget, that it may be gone.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("OWNKEY_BIN", str(ROOT / "target/release/ownkey"))
PASSWORD = "velvet orbit cactus plume harbor nine"
# Contents that machines have in common: what one forgets, another may be about to back up.
SHARED = [random.Random(seed).randbytes(20_000 + 45_000 * (seed % 9)) for seed in range(36)]


class Run:
    """How a run of the program ended: its code (negative: the signal), its lines of JSON, its errors."""

    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def lines(self):
        parsed = []
        for line in self.out.splitlines():
            try:
                parsed.append(json.loads(line))
            except ValueError:
                break  # killed in the middle of a line
        return parsed

    def last(self):
        return (self.lines() or [{}])[-1]

    def acknowledged(self):
        """The id of the snapshot that a backup promised, or None."""
        return self.last().get("snapshot_id") if self.code in (0, 3) else None

    def killed(self):
        return self.code == -signal.SIGKILL

    def __str__(self):
        return f"{' '.join(self.arguments)}: {self.code}\n{self.out[-2000:]}{self.err[-3000:]}"


class Machine:
    def __init__(self, folder, name, repository, environment=None):
        self.folder, self.name = Path(folder), name
        self.source = self.folder / "src"
        self.source.mkdir(parents=True)
        self.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.folder / "home"), "OWNKEY_REPOSITORY": str(repository),
            "OWNKEY_STATE_DIR": str(self.folder / "state"), "OWNKEY_CACHE_DIR": str(self.folder / "cache"),
            **(environment or {}),
        }
        self.process = None
        self.chance = random.Random(f"{name} {os.environ.get('BIGGER_SEED', '1')}")
        self.step = 0

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [PROGRAM, *arguments, "--json"], cwd=self.folder, env={**self.environment, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")

    def run(self, *arguments, **environment):
        """To its end, if nobody kills it meanwhile."""
        self.process = self.start(*arguments, **environment)
        out, err = self.process.communicate()
        return Run(arguments, self.process.returncode, out, err)

    def run_and_kill(self, after, *arguments, **environment):
        """Killed after so many seconds, if it has not ended by then."""
        self.process = self.start(*arguments, **environment)
        try:
            out, err = self.process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        return Run(arguments, self.process.returncode, out, err)

    def must(self, *arguments, **environment):
        run = self.run(*arguments, **environment)
        if run.code != 0:
            sys.exit(f"{self.name}: {run}")
        return run

    def found(self):
        self.must("init", "--kdf-memory", "64", "--recovery-key-file", "kit.txt", "--device-name", self.name,
                  OWNKEY_PASSWORD=PASSWORD)

    def ask(self):
        """The code and the words with which this machine is let in."""
        lines = self.must("device", "request", "--name", self.name, "--no-wait").lines()
        return next(line for line in lines if "code" in line)

    def let_in(self, machine, *rights):
        asked = machine.ask()
        self.must("device", "approve", asked["code"], "--words", asked["words"], *rights)

    def change(self):
        """Some files are new, some changed, some gone; some hold what other machines have too."""
        self.step += 1
        for _ in range(self.chance.randrange(1, 5)):
            path = self.source / f"folder {self.chance.randrange(3)}" / f"file {self.chance.randrange(12)}"
            path.parent.mkdir(exist_ok=True)
            what = self.chance.random()
            if what < 0.2 and path.exists():
                path.unlink()
            elif what < 0.65:
                path.write_bytes(self.chance.choice(SHARED))
            else:
                path.write_bytes(self.chance.randbytes(self.chance.randrange(1, 200_000)))
        (self.source / "step").write_text(f"{self.name} {self.step}\n")

    def restore(self, snapshot, source, into):
        """The tree that a snapshot gives back, as a manifest, and how the restore ended."""
        shutil.rmtree(into, ignore_errors=True)
        run = self.run("restore", f"{snapshot}:{source}", "--target", str(into))
        tree = manifest(into) if run.code == 0 else None
        shutil.rmtree(into, ignore_errors=True)
        return tree, run


def manifest(tree):
    """Each path with a hash of its content, its mode and its time."""
    entries = {}
    for path in sorted(Path(tree).rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        entries[str(path.relative_to(tree))] = (content, status.st_mode, status.st_mtime_ns)
    return entries


class Book:
    """What was acknowledged, and what may have been forgotten since."""

    def __init__(self):
        self.lock = threading.Lock()
        self.promised = {}
        self.perhaps_gone = set()
        self.forgotten = set()

    def promise(self, snapshot, machine, tree):
        with self.lock:
            self.promised[snapshot] = (machine, tree)

    def will_forget(self, snapshots):
        with self.lock:
            self.perhaps_gone.update(snapshots)

    def forgot(self, snapshots):
        with self.lock:
            self.forgotten.update(snapshots)

    def stays(self, snapshot):
        with self.lock:
            return snapshot not in self.perhaps_gone

    def staying(self):
        with self.lock:
            return [snapshot for snapshot in self.promised if snapshot not in self.perhaps_gone]

    def missing(self, listed):
        """What was promised, that nobody forgot, and that is not listed; and what is listed though it was forgotten."""
        return [s for s in self.staying() if s not in listed], [s for s in self.forgotten if s in listed]

    def differs(self, machine, snapshot, into):
        """What is wrong with a snapshot of the book once it is restored, or None."""
        author, tree = self.promised[snapshot]
        restored, run = machine.restore(snapshot, author.source, into)
        if restored is None:
            return str(run)
        wrong = [path for path in tree.keys() | restored.keys() if tree.get(path) != restored.get(path)]
        return f"{snapshot} of {author.name} differs in {wrong[:5]}" if wrong else None


def listed(machine):
    """The ids of all snapshots, with the name of each one's device if it is told."""
    return {line["id"]: line for line in machine.must("snapshots").lines() if "id" in line}
