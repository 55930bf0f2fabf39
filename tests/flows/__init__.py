"""Whole journeys: the real server process, and clients that nobody here wrote."""
