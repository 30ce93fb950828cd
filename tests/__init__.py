"""The tests of trueup; they mirror src/trueup."""
