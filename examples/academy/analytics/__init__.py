"""What learners do, and what is computed from it."""
