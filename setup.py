"""Build the optional C extension; everything else about the package is in pyproject.toml.

Without a C compiler the package installs all the same, and hashes trees with hashlib.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "infernet.backend.native._sha256",
            ["infernet/backend/native/sha256.c"],
            depends=["infernet/backend/native/lanes.h"],
            extra_compile_args=["-O3", "-Wall", "-Wextra"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
