"""The local cluster: one master and some nodes as processes of this machine."""
