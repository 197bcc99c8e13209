"""Models: ONNX files to programs, their descriptions, and where they are kept."""
