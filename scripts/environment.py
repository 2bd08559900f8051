"""Makes the project's own virtual environment (.venv), once for each version of pyproject.toml."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def python(extras: str = "", first: tuple[str, ...] = ()) -> str:
    """Return the environment's Python, installing the project (with `extras`) where needed.

    `first` is installed before: torch, so that pip takes the build it is set up for and does not
    resolve to one with gigabytes of libraries for a GPU.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python the user has
        sys.exit(f"OmniLive needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        sys.exit("This Python has no venv module; on Debian: apt install python3-venv python3-pip.")
    binary = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + extras.encode()).hexdigest()
    stamp = VENV / f"installed{extras.replace('[', '-').replace(']', '').replace(',', '-')}"
    if binary.exists() and stamp.exists() and stamp.read_text() == wanted:
        return str(binary)
    size = "2 GB" if first else "900 MB"
    print(f"Setting up .venv (about {size} of packages; some minutes) ...", flush=True)
    if not binary.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    install = [str(binary), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for wanted_now in ([*first], ["--editable", f"{ROOT}{extras}"]):
        if wanted_now and subprocess.run([*install, *wanted_now], check=False).returncode != 0:
            sys.exit("pip could not install the packages: see its message above.")
    stamp.write_text(wanted)
    return str(binary)
