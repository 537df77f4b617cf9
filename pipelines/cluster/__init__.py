"""Ray for one job: session, watchdog and capacity checks."""
