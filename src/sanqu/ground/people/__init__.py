"""Org units, people and their roles, sessions, sign-in links and API keys."""
