"""What the figures depend on: processor, versions, load; and what a process has used."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = (
    "dmengine", "pyarrow", "numpy", "cryptography", "msgspec", "isal", "duckdb", "polars", "polars-hash", "pandas",
    "Faker", "mimesis", "presidio-anonymizer", "presidio-analyzer", "maskops", "ff3", "libffx",
)  # fmt: skip


def facts() -> dict[str, Any]:
    """Describe the machine and the software on it, without its name.

    >>> sorted(facts())
    ['cores', 'cpu', 'date', 'load_1_minute', 'memory_gb', 'packages', 'python', 'system']
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_1_minute": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB (10^6 bytes).

    Linux keeps the peak of the program itself. What getrusage says also covers the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(lines["VmHWM"].split()[0]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
