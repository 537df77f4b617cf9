"""What a user without rights can enter and run, as the user of the image."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

PLAIN_USER = 65_534
"""The number of a user without rights."""


@contextmanager
def readable_folder():
    """A temporary folder that every user may enter; pytest's are for this user only."""
    folder = Path(tempfile.mkdtemp(prefix="scope-image-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        subprocess.run(["chmod", "--recursive", "u+w", folder], check=True)
        shutil.rmtree(folder)


def as_plain_user():
    """Return what `subprocess.run` needs to run as a user without rights, if this one has some."""
    return {"user": PLAIN_USER, "group": PLAIN_USER} if os.geteuid() == 0 else {}


def interpreter():
    """Return a Python that a user without rights can run, and that can make environments."""
    for path in (Path(sys.executable).resolve(), Path("/usr/bin/python3.11")):
        command = [path, "-c", "import ensurepip, venv"]
        try:
            subprocess.run(command, check=True, capture_output=True, cwd="/", **as_plain_user())
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(path)
    pytest.skip("no Python that a user without rights can run: apt install python3-venv")
