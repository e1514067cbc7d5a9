"""Checked samples: several answers are made, judged, and one of them goes out."""
