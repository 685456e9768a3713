"""History: find any part, look at it as it was judged, review it."""
