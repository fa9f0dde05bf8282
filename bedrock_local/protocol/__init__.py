"""The protocols of the services: requests and responses, routes, shapes of parameters, errors."""
