"""The series of `run`: what is made, what is asked of the program, and what must come out of it."""

import hashlib
import os
import sys
import time
from pathlib import Path


def same_number(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found} and not {wanted}")


def backup_and_again(machine, tree):
    first = machine.run("backup", tree)
    first |= machine.stored()
    return {"backup": first, "again": machine.run("backup", tree)}


def files(bench):
    """Tiny files, ever more of them."""
    for count in bench.sizes(10_000, 100_000, 1_000_000, 10_000_000):
        if count > 1_000_000 and not bench.mounted:
            continue
        tree, restored = bench.roomy / f"files-{count}", bench.roomy / f"restored-{count}"
        bench.make("files", tree, count)
        machine = bench.machine()
        point = {"n": count, **backup_and_again(machine, tree), "ls": machine.run("ls", f"latest:{tree}")}
        folders = -(-count // 200)
        # The tree itself has a line as well.
        same_number("entries", machine.lines(), 1 + count + folders + -(-folders // 250))
        if count <= 1_000_000:
            point["restore"] = machine.run("restore", f"latest:{tree}", "--target", restored)
            bench.must_be_same(tree, restored)
        bench.drop(machine)
        yield point


def folder(bench):
    """Tiny files in one folder."""
    for count in bench.sizes(10_000, 100_000, 1_000_000):
        tree, restored = bench.roomy / f"folder-{count}", bench.roomy / f"folder-restored-{count}"
        bench.make("folder", tree, count)
        machine = bench.machine()
        point = {"n": count, **backup_and_again(machine, tree)}
        before = machine.stored()["stored_mb"]
        (tree / "file-one-more").write_text("one more")
        time.sleep(3)
        point["one_added"] = machine.run("backup", tree)
        point["one_added"]["added_mb"] = round(machine.stored()["stored_mb"] - before, 3)
        point["restore"] = machine.run("restore", f"latest:{tree}", "--target", restored)
        bench.must_be_same(tree, restored)
        bench.drop(machine)
        yield point


def runs(path):
    """Where a file has data."""
    found, at, fd = [], 0, os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    try:
        while at < size:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
    except OSError:
        pass
    finally:
        os.close(fd)
    return found


def hash_of_runs(path, found):
    digest = hashlib.blake2b()
    with open(path, "rb", buffering=0) as file:
        for start, end in found:
            file.seek(start)
            digest.update(file.read(end - start))
    return digest.hexdigest()


def sparse(bench):
    """One file of 200 GB with data here and there."""
    size, length = 200 << 30, 52 << 10
    for extents in bench.sizes(1_000, 10_000, 100_000):
        tree, restored = bench.folder / f"sparse-{extents}", bench.folder / f"sparse-restored-{extents}"
        tree.mkdir()
        file = tree / "disk"
        bench.make("sparse", file, size, extents, length)
        machine = bench.machine()
        point = {"n": extents, "data_mb": extents * length / 1e6, **backup_and_again(machine, tree)}
        before = machine.stored()["stored_mb"]
        with file.open("r+b") as out:
            out.seek((extents // 2) * (size // extents & ~4095))
            out.write(b"changed" * 1000)
        time.sleep(3)
        point["one_changed"] = machine.run("backup", tree)
        point["one_changed"]["added_mb"] = round(machine.stored()["stored_mb"] - before, 3)
        point["restore"] = machine.run("restore", f"latest:{tree}", "--target", restored)
        ours, theirs = runs(file), runs(restored / "disk")
        same_number("extents", len(theirs), len(ours))
        same_number("extents", theirs, ours)
        same_number("content", hash_of_runs(restored / "disk", theirs), hash_of_runs(file, ours))
        for path in [file, restored / "disk"]:
            path.unlink()
        bench.drop(machine)
        yield point


def snapshots(bench):
    """Very many snapshots of a small tree in which a little changes."""
    tree = bench.folder / "changing"
    for number in range(100):
        path = tree / f"folder-{number % 10}" / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} " * 2_000)
    machine, total = bench.machine(), max(1, int(1_000 * bench.scale))
    seen = sorted({1, 10, 32, 64, 100, 200, 320, 400, 500, 640, 800, 1_000} & set(range(total + 1)) | {total})
    backups = []
    for nth in range(1, total + 1):
        for way in range(3):
            (tree / f"folder-{nth % 10}" / f"file-{(nth * 37 + way * 13) % 100}").write_text(f"{nth} {way} " * 1_500)
        backups.append(machine.run("backup", "--quiet", tree))
        if nth in seen:
            new = bench.machine(machine.repository)
            point = {"n": nth, "backup": middle(backups[-16:]), "snapshots": machine.run("snapshots"),
                     "ls": machine.run("ls", "latest"), "new_machine": new.run("snapshots"), **machine.stored()}
            point["log_mb"] = round(sum(path.stat().st_size for path in machine.repository.glob("log/*/*")) / 1e6, 3)
            point["segments"] = sum(1 for _ in machine.repository.glob("index/**/*"))
            yield point
    machine.run("check")
    bench.drop(machine)


def middle(costs):
    """The median by time of several runs."""
    return sorted(costs, key=lambda cost: cost["seconds"])[len(costs) // 2]


def deep(bench, levels):
    """Folders within one another, a file in each; deeper than any path is long."""
    top = bench.roomy / f"deep-{levels}"
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for level in range(levels):
        with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at), "w") as file:
            file.write(f"level {level}")
        os.mkdir(f"level-{level}", dir_fd=at)
        below = os.open(f"level-{level}", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    time.sleep(3)
    return top


def must_be_deep(top, levels):
    at = os.open(top, os.O_RDONLY)
    for level in range(levels):
        with os.fdopen(os.open("file", os.O_RDONLY, dir_fd=at)) as file:
            same_number("a file far below", file.read(), f"level {level}")
        below = os.open(f"level-{level}", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def shapes(bench):
    """Trees of unusual shapes."""
    for levels in bench.sizes(500, 1_000, 2_000, 4_000):
        tree, restored = deep(bench, levels), bench.roomy / f"deep-restored-{levels}"
        machine = bench.machine()
        point = {"shape": "deep", "n": levels, **backup_and_again(machine, tree)}
        point["restore"] = machine.run("restore", f"latest:{tree}", "--target", restored)
        must_be_deep(restored, levels)
        bench.drop(machine)
        yield point
    made = [("wide", "wide", [count]) for count in bench.sizes(10_000, 100_000)]
    made += [("links to 1,000 files", "links", [count, 1_000]) for count in bench.sizes(100_000, 1_000_000)]
    made += [("pairs of links", "links", [count, count // 2]) for count in bench.sizes(100_000, 1_000_000)]
    for shape, kind, words in made:
        name = f"{kind}-{'-'.join(map(str, words))}"
        tree, restored = bench.roomy / name, bench.roomy / f"{name}-restored"
        bench.make(kind, tree, *words)
        machine = bench.machine()
        point = {"shape": shape, "n": words[0], **backup_and_again(machine, tree)}
        point["restore"] = machine.run("restore", f"latest:{tree}", "--target", restored)
        bench.must_be_same(tree, restored)
        bench.drop(machine)
        yield point


ALL = {"files": files, "folder": folder, "sparse": sparse, "snapshots": snapshots, "shapes": shapes}
