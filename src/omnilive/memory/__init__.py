"""Long memory: what was perceived, kept on disk, found again and forgotten on demand."""
