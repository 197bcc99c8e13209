"""A model in figures: operators, steps, registers and bytes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from interpreter.operators import decode

from .pipeline import Model


def describe(model: Model) -> dict[str, Any]:
    """Return what `inspect` shows about a model."""
    header, manifest = model.program.header, model.manifest
    steps: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for operator in model.program.operators:
        counts[operator.opcode.name] += 1
        steps[operator.opcode.name] += decode(operator).steps
    return {
        "name": manifest.name,
        "program_root": manifest.program_root,
        "source": manifest.source_file,
        "source_kind": manifest.source_kind,
        "input": f"{list(header.input_shape)} {header.input_dtype.name.lower()}",
        "output": f"{list(header.output_shape)} {header.output_dtype.name.lower()}",
        "task": manifest.text.task if manifest.text else None,
        "positions": manifest.text.positions if manifest.text else None,
        "steps": header.steps_per_iteration,
        "operators": dict(counts),
        "steps_by_operator": dict(steps),
        "registers": 1 << header.slot_depth,
        "constants_bytes": header.constants_bytes,
        "largest_tensor_bytes": _largest(model),
        "labels": len(manifest.labels),
        "notes": list(manifest.notes),
        "facts": manifest.facts,
    }


def _largest(model: Model) -> int:
    sizes = [model.program.header.input_type.byte_count]
    for operator in model.program.operators:
        target = decode(operator).destination
        if target is not None:
            sizes.append(target.kind.byte_count)
    return max(sizes)


def operator_rows(model: Model) -> list[dict[str, Any]]:
    """Return one row for each operator: where its steps begin and which slots it uses."""
    rows = []
    for index, operator in enumerate(model.program.operators):
        instruction = decode(operator)
        reads = ", ".join(str(source.slot) for source in instruction.sources)
        names = model.manifest.operator_names
        rows.append(
            {
                "index": index,
                "operator": operator.opcode.name,
                "layer": names[index] if index < len(names) else "",
                "first_step": operator.first_step,
                "steps": instruction.steps,
                "slots": f"{reads} → {operator.dst}" if reads else str(operator.dst),
            }
        )
    return rows
