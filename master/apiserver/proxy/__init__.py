"""Passing requests on: to pods, services and nodes by their `proxy` subresource, and to extension API servers."""
