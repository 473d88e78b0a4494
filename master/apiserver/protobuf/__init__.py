"""Kubernetes' protobuf encoding of requests and answers, which Go clients (kubectl's among them) prefer to JSON."""
