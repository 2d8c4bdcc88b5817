"""Pages and pictures for people: one folder per page, with its values, template, script and style."""
