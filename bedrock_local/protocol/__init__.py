"""What the services say on the wire: requests and responses, routes, shapes of their parameters, errors."""
