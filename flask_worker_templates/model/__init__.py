"""A template as people know it: fields, spec and its rules, template, event, claim, request parameters. Pure."""
