"""samestory's clustering: pure functions from articles to clusters."""
