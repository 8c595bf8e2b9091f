"""Operations that are compiled once, and then answered without graphql-core's executor.

A plan is made from the schema, which stays the one definition: types, resolvers, scalars and enums are Strawberry's.
What a plan does not understand is ``Unplannable`` when it is made, or ``Unusual`` when it is used, and goes to the
executor, which words every error of an input: a plan itself knows none.
"""
