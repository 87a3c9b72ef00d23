"""Runs the program that the wheel carries."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path


def _in_path(name: str) -> str | None:
    """The program in PATH, but not the script that would only call this package again."""
    for folder in os.get_exec_path():
        path = shutil.which(name, path=folder)
        if path:
            with open(path, "rb") as file:
                if file.read(2) != b"#!":
                    return path
    return None


def program_path(name: str = "prunescope") -> str:
    """The path of a program: the wheel's, else the one that PRUNESCOPE names or that is in PATH.

    name: "prunescope" or "shardinfo".
    """
    bundled = Path(__file__).parent / "bin" / name
    found = str(bundled) if bundled.exists() else None
    if not found and name == "prunescope":
        found = os.environ.get("PRUNESCOPE")
    found = found or _in_path(name)
    if not found:
        raise FileNotFoundError(f"{name}: this package carries no program, and none is in PATH")
    return found


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs prunescope with these arguments and returns what it printed. Raises CalledProcessError if it fails.

    KeyboardInterrupt is passed on and raised once the program has saved its state; a second one ends it at once.
    """
    command = [program_path(), *arguments]
    interrupted = False
    # A session of its own: a terminal would interrupt it as well, which counts as the second one.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        while True:
            try:
                out, err = process.communicate()
                break
            except KeyboardInterrupt:
                interrupted = True
                process.send_signal(signal.SIGINT)
            except BaseException:
                process.kill()
                raise
    if interrupted:
        raise KeyboardInterrupt
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    done.check_returncode()
    return done


def _become(name: str) -> None:
    try:
        path = program_path(name)
    except FileNotFoundError as error:
        sys.exit(str(error))
    # Python ignores these two signals, and what is ignored stays ignored in the program that a process becomes.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(path, [path, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"{path}: cannot be run: {error.strerror}")


def main() -> None:
    """Becomes the program, with the arguments of the command line."""
    _become("prunescope")


def shardinfo() -> None:
    """Becomes shardinfo."""
    _become("shardinfo")
