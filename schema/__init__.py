"""What clients see: types, inputs, scalars. Knows neither the engine nor HTTP; ``schema.graphql`` is made from it."""
