"""The fast backend that executor and fisherman share: engines, hashing, traces, conformance."""
