"""Descriptions of objects for people: pure functions from an object, and what belongs to it, to lines."""
