"""Who is whom when records come: those without a number, and those whose number may be another's."""
