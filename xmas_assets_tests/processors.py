"""Runs the numerical tests as on lesser processors: without AVX-512, and with what every x86-64 has.

The libraries choose their code when they are loaded, by environment variables; so each level is a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

SUITES = ("golden", "core", "selection", "extraction", "vlm", "training", "store", "evaluation", "report")
_EXTRA = [name for name in __cpu_dispatch__ if __cpu_features__[name]]  # numpy refuses to disable what is not there
_AVX512 = [name for name in _EXTRA if name == "X86_V4" or name.startswith("AVX512")]
LEVELS = {
    "avx2": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(_AVX512),
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "lowest": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(_EXTRA),
        "ATEN_CPU_CAPABILITY": "default",
        "FAISS_OPT_LEVEL": "generic",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Prescott",
    },
}


def main() -> int:
    """Run the suites at every level; the exit code of the first that fails."""
    folders = [str(Path(__file__).parent / suite) for suite in SUITES]
    for level, variables in LEVELS.items():
        print(level, variables, flush=True)
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", *folders, *sys.argv[1:]]
        code = subprocess.run(command, env=os.environ | variables).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
