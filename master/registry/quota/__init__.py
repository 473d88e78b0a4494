"""What counts against resource quotas, and against which of them: pure functions for admission and recounting."""
