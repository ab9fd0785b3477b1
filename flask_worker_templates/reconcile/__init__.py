"""Files against store: seed, compare, plan, sync, export, and the documents that carry them."""
