"""The pages that nobody writes: they are read off the code, so they say what it does."""

from generate import home, inventory, reference, refused, sheets


def pages() -> dict[str, str]:
    """Return the text of every generated page by its path in the source folder."""
    return {**sheets.pages(), **reference.pages(inventory.rooms()), **refused.pages(), **home.pages()}
