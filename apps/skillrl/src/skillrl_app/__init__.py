"""The skillrl command line: play, distil, train, evaluate, report."""
