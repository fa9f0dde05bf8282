"""Who answers in place of a model: a stand-in, an endpoint, recorded answers, a function."""
