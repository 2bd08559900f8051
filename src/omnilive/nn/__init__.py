"""Networks of the paper and their checkpoints. Everything here needs the extra `nn` (torch)."""
