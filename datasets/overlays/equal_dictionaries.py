def equal_dictionaries(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            equal_dictionaries(one[key], other[key]) for key in one
        )
    if isinstance(one, (list, tuple)) and type(one) is type(other) and len(one) == len(other):
        return all(equal_dictionaries(*pair) for pair in zip(one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or abs(one - other) <= 1e-9 * max(1.0, abs(other))
    return one == other
