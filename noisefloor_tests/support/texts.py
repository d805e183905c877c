"""Words that stand in no other text."""


def words(count, prefix):
    """That many words, no two alike, so that every n-gram is distinct."""
    return [f"{prefix}{index}" for index in range(count)]
