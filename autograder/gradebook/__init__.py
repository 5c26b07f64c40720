"""Results in nbgrader's gradebook and layout."""
