"""From sound and pictures to what was said, heard, read and seen. Entrance: `stage`."""
