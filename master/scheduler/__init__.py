"""The scheduler: columns of nodes, plugins over them, a pure choice, and the loop that binds."""
