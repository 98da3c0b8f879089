"""From a table or frame to numbers and back, with errors that name the column."""
