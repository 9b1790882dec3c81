"""The stages of a run, one module each, in the order in which `pipeline` runs them."""
