"""Writes the wheel of the package `prunescope` with the programs in it. Needs the standard library alone.

usage: python build_wheel.py PROGRAM SHARDINFO FOLDER
PROGRAM and SHARDINFO are the built programs; the wheel goes to FOLDER. Its tag is linux_x86_64 or linux_aarch64:
`auditwheel repair` (make wheel) then adds the libraries and the tag of the glibc. The same programs give the same bytes.

The licenses of these libraries ask whoever passes them on to pass on their notices too. So the wheel has Debian's
notices of each library. On other systems it has none, and the script says so.
"""

import base64
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
VERSION = re.search(r'PS_VERSION "(.*)"', (ROOT / "core/base/version.h").read_text())[1]
INFO = f"prunescope-{VERSION}.dist-info"
METADATA = f"""Metadata-Version: 2.1
Name: prunescope
Version: {VERSION}
Summary: Interpretability studies of pruned language models on one computer
License: MIT
Requires-Python: >=3.10
Requires-Dist: numpy>=1.24
Description-Content-Type: text/markdown

"""
NOT_CARRIED = {"libc6", "zlib1g"}  # every system of the wheel's tag has these, so auditwheel leaves them out


def libraries(*programs: pathlib.Path) -> list[str]:
    """The files of the libraries that the programs load, sorted."""
    loaded = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    return sorted({os.path.realpath(path) for path in re.findall(r"=> (/\S+)", loaded)})


def notices(*programs: pathlib.Path) -> dict[str, bytes]:
    """The notices of the libraries that the wheel will carry: {Debian package: text}."""
    if not shutil.which("dpkg-query"):
        print("the wheel has no notices of its libraries: they are taken from Debian's packages", file=sys.stderr)
        return {}
    found = {}
    for library in libraries(*programs):
        # dpkg may know the file of a merged /usr under its old name.
        names = [library, library.removeprefix("/usr")]
        answer = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True).stdout
        if not answer:
            raise SystemExit(f"{library}: no Debian package has it, so its notices are not known")
        package = re.split("[:,]", answer)[0]
        if package not in NOT_CARRIED:
            found[package] = pathlib.Path("/usr/share/doc", package, "copyright").read_bytes()
    return found


def main() -> None:
    program, shardinfo, folder = map(pathlib.Path, sys.argv[1:])
    tag = f"py3-none-linux_{platform.machine()}"
    files = {f"prunescope/{path.name}": path.read_bytes() for path in sorted((HERE / "prunescope").iterdir()) if path.is_file()}
    files["prunescope/bin/prunescope"] = program.read_bytes()
    files["prunescope/bin/shardinfo"] = shardinfo.read_bytes()
    files[f"{INFO}/METADATA"] = (METADATA + (HERE / "README.md").read_text()).encode()
    files[f"{INFO}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: prunescope\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{INFO}/entry_points.txt"] = (
        b"[console_scripts]\nprunescope = prunescope.program:main\nprunescope-shardinfo = prunescope.program:shardinfo\n")
    files[f"{INFO}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    for package, text in notices(program, shardinfo).items():
        files[f"{INFO}/licenses/{package}.txt"] = text
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
        for name, data in files.items())
    files[f"{INFO}/RECORD"] = (record + f"{INFO}/RECORD,,\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"prunescope-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o755 if "/bin/" in name else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    print(path)


main()
