"""Thin endpoints, one module a resource: check the request, call the use case, render."""
