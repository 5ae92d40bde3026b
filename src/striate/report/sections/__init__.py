"""The report's sections, a file each: a function from the Run's facts to HTML, or None where it does not apply."""
