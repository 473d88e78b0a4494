"""The Pod Security Standards: what pods of the levels baseline and restricted may not ask for.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards, as of v1.35; reasons and details are worded
as Kubernetes words them. The relaxations for pods with user namespaces are left out: nodes here have none, so that
``hostUsers: false`` protects nothing.
"""
