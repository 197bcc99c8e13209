"""Build the optional C extensions; everything else about the package is in pyproject.toml.

Without a C compiler the package installs all the same; hashlib and NumPy do the work, slower.
"""

from setuptools import Extension, setup


def native(name: str, source: str, header: str) -> Extension:
    """Return a kernel that every later Python of this platform can load."""
    folder = "infernet/backend/native"
    return Extension(
        f"infernet.backend.native.{name}",
        [f"{folder}/{source}"],
        depends=[f"{folder}/{header}"],
        extra_compile_args=["-O3", "-Wall", "-Wextra"],
        define_macros=[("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        native("_sha256", "sha256.c", "lanes.h"),
        native("_matmul", "matmul.c", "matmul.h"),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
