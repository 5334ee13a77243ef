"""Figures take tables and arrays and return what a page can show; they compute nothing.

One file per subject; `style` is their common look, `interactive` the ones with a slider.
"""
