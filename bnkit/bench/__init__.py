"""How fast is it? Each benchmark measures both of its sides in one run."""
