"""The parts of the default screen: how text is read, and the rules it is held against."""
