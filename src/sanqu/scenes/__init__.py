"""Scenes (场景): city applications as packages that are made, checked, tested, installed, bound to another city, and published."""
