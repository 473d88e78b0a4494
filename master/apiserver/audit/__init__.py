"""The audit log: who did what, as one JSON line a stage of a request, in the form of audit.k8s.io/v1."""
