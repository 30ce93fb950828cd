"""One file a question: trueup side by side with what one would use instead. `python -m benchmarks --help`."""
