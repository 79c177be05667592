"""Report once (最多报一次): one figure reported by a town serves all who ask for it."""
