"""The directive ``reference``, which puts a text of `reference_text` into a page."""

from docutils import nodes
from reference_text import REFERENCES
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Reference(SphinxDirective):
    """A text of `REFERENCES`, by its name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what the text says."""
        return self.parse_text_to_nodes(REFERENCES[self.arguments[0]](), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True}
