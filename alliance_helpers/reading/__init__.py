"""From files of any format to checked tables, and from tables to one row per dyad."""
