"""What has been drawn on an axes of matplotlib, for tests to look at."""


def marks(axes, marker, color):
    """The lines with this marker and color."""
    return [line for line in axes.lines if (line.get_marker(), line.get_color()) == (marker, color)]


def points(lines):
    """The (x, y) of all lines."""
    return [tuple(map(float, point)) for line in lines for point in line.get_xydata()]


def said(axes):
    """The texts on it."""
    return [text.get_text() for text in axes.texts]
