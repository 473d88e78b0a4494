"""Reads request bodies in Kubernetes' protobuf encoding, which typed Go clients (kubectl's among them) send since 1.32.

Nothing is written in it: those clients take JSON in answers.
"""
