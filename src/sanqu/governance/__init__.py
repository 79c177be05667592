"""Grassroots governance (基层治理): events at places, grids and their workers, villages, households, Open311."""
