"""Indicators (指标): what a city measures itself by, where each figure comes from, and whether it is on the way to its target."""
