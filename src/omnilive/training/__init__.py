"""Training of the networks of `omnilive.nn`, from nothing, on the daily world or on real data."""
