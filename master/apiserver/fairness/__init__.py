"""Priority and fairness: how many requests run at once, and who is next when more are there."""
