"""The training tasks of the paper, one file each."""
