"""Figures that units report (指标填报): from files with checks, and as a case: fill, check, confirm, publish."""
