"""Build the optional C extensions; everything else about the package is in pyproject.toml.

Without a C compiler the package installs all the same; hashlib and NumPy do the work, slower.
"""

from setuptools import Extension, setup

PRODUCTS = ("products.c", "pool.c")
PRODUCTS_HEADERS = (
    "products.h",
    "products_amx.h",
    "products_dots.h",
    "products_portable.h",
    "products_settle.h",
    "products_vectors.h",
    "pool.h",
)
MACHINE_HEADERS = (
    "machine.h",
    "machine_control.h",
    "machine_levels.h",
    "machine_map.h",
    "machine_matmul.h",
    "machine_reduce.h",
    "machine_scale.h",
    "machine_tables.h",
    "machine_wave.h",
    "sha256.h",
)


def native(name: str, sources: tuple[str, ...], headers: tuple[str, ...]) -> Extension:
    """Return a kernel that every later Python of this platform can load."""
    folder = "infernet/backend/native"
    return Extension(
        f"infernet.backend.native.{name}",
        [f"{folder}/{source}" for source in sources],
        depends=[f"{folder}/{header}" for header in headers],
        extra_compile_args=["-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
        extra_link_args=["-pthread"],
        define_macros=[("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        native("_sha256", ("sha256.c",), ("lanes.h", "sha256.h")),
        native("_matmul", ("matmul.c", *PRODUCTS), PRODUCTS_HEADERS),
        native("_machine", ("machine.c", *PRODUCTS), (*MACHINE_HEADERS, *PRODUCTS_HEADERS)),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
