"""State and durability: records, atomic transitions, journal and snapshot."""
