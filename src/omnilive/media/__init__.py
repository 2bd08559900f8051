"""Media: sources, decoding, recording, pictures, and the synthetic world."""
