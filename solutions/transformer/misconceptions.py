# %% [markdown]
# Blocks and greedy decoding, as they really come back: implementations that are wrong in
# one way each, and right ones in other styles. A cell runs after the reference notebook's
# cells and redefines one object; the comment at its top is the hint a student gets, and the
# marker names the check that the mistake must lose.
