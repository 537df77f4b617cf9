"""Query the reasoner on Ray Data, and keep every answer."""
