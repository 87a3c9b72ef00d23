"""build_wheel.py: what is in the wheel, before auditwheel adds the libraries."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from conftest import PROGRAM, ROOT


def build(folder):
    done = subprocess.run([sys.executable, ROOT / "python" / "build_wheel.py", PROGRAM, PROGRAM, folder],
                          check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(path):
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_record_has_every_file_with_its_digest_and_size(wheel):
    record = next(name for name in wheel.namelist() if name.endswith("/RECORD"))
    lines = [line.split(",") for line in wheel.read(record).decode().splitlines()]
    assert [name for name, _, _ in lines] == wheel.namelist()
    for name, digest, size in lines[:-1]:
        data = wheel.read(name)
        right = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert (digest, int(size)) == (f"sha256={right}", len(data))
    assert lines[-1] == [record, "", ""]


def test_the_programs_may_be_run(wheel):
    modes = {info.filename: info.external_attr >> 16 for info in wheel.infolist()}
    assert modes["prunescope/bin/prunescope"] == modes["prunescope/bin/shardinfo"] == 0o755


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="the notices are Debian's")
def test_each_library_that_is_carried_has_its_notices(wheel):
    needed = subprocess.run(["ldd", PROGRAM], check=True, capture_output=True, text=True).stdout
    libraries = set(re.findall(r"lib(\w+)[-.\d]*\.so\S* =>", needed)) - {"c", "m", "z", "pthread"}
    texts = {name.split("/")[-1] for name in wheel.namelist() if "/licenses/" in name}
    assert len(texts) == len(libraries) > 8, (texts, libraries)
    for package in ("libblis4", "liburing2", "libyajl2", "libpcre2"):
        assert any(name.startswith(package) for name in texts), texts
    for name in wheel.namelist():
        if "/licenses/" in name:
            assert b"opyright" in wheel.read(name), name


def test_the_same_programs_give_the_same_bytes(path, tmp_path):
    with open(path, "rb") as first, open(build(tmp_path), "rb") as second:
        assert first.read() == second.read()
