"""Sharing: who may read what, and the ways data leave: the row API and the open downloads."""
