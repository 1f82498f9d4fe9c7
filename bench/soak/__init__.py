"""The whole centre under a steady load, with each of its processes killed in turn."""
