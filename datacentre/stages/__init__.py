"""The stages of the flow: one function each, called by the command line and by the DAGs."""
