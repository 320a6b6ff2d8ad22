"""Files to checked tables, and from there to one row per dyad and a log of every change."""
