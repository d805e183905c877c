"""What a figure was measured on, and how much memory a process took. No names, no paths."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import re
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("pytest-noisefloor", "torch", "transformers", "peft", "accelerate", "numpy", "pytest")


def facts(threads: int) -> dict[str, Any]:
    """The machine and the software, as far as a figure depends on them."""
    import torch

    build = torch.__config__.show()
    libraries = re.findall(r"- (.*Math Kernel Library Version [\d.]+|.*MKL-DNN v[\d.]+)", build)
    blas = re.search(r"BLAS_INFO=(\w+)", build)
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[1] if blas else None,
        "libraries": libraries,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def kind(machine: dict[str, Any]) -> str:
    """A machine's kind, for a file's name: ``apple-m1-max-10-cores``."""
    model = re.sub(r"\((R|TM|C)\)|CPU|Processor", "", machine["cpu"])
    words = re.findall(r"[a-z0-9.]+", model.lower())
    return "-".join([*words, str(machine["cores"]), "cores"])


def cpu_model() -> str:
    """The processor's own name for itself."""
    file = Path("/proc/cpuinfo")
    if file.is_file():
        found = re.search(r"model name\s*: (.+)", file.read_text(encoding="utf-8"))
        return found[1] if found else platform.machine()
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


class PeakMemory:
    """The most resident memory since its creation, over what was resident then.

    On Linux the kernel's high-water mark is reset at the start, and memory that was freed but kept
    by the allocator is handed back before. Elsewhere the mark is that of the process's whole life,
    so that a peak below that of loading goes unseen.
    """

    def __init__(self) -> None:
        gc.collect()
        self.resettable = Path("/proc/self/clear_refs").is_file()
        if self.resettable:
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
            if trim is not None:
                trim(0)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = self._mark()

    def megabytes(self) -> float:
        """The peak until now, in units of 10⁶ bytes."""
        return (self._mark() - self._before) / 1e6

    def _mark(self) -> int:
        if self.resettable:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
