"""Shows the pages of scenes: asked through the door as whoever reads, streamed, live, on screens, as pictures."""
