"""What brings rows from a live source into the line's stream, one module a kind, and goes on where the lake stands."""
