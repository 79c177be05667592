"""Sanqu 三衢: the open city data brain (城市数据大脑)."""

__version__ = "0.1.0"
