"""Everything that owns time and threads: the session, its mailboxes, workers and feeders."""
