"""The life of an alert from a verdict to its end: who is told, what is asked for, and what came of it.

Everything here happens within one transaction of the caller's, together with what caused it.
"""
