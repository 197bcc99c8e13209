"""ONNX nodes to the canonical float graph, one module per family of operators."""
