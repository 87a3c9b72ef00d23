"""Writes the wheel of the package `prunescope` with the programs in it. Needs the standard library alone.

usage: python build_wheel.py PROGRAM SHARDINFO FOLDER
PROGRAM and SHARDINFO are the built programs; the wheel goes to FOLDER. Its tag is linux_x86_64 or linux_aarch64:
`auditwheel repair` (make wheel) then adds the libraries and the tag of the glibc. The same programs give the same bytes.
"""

import base64
import hashlib
import pathlib
import platform
import re
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
