"""Programs of sequence models on whole tensors, by compiled code."""
