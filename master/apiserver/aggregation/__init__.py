"""Aggregation: versions of groups that other servers serve in this one's name, as APIServices say."""
