"""Programs for those who work on Postroom; the product imports none of them."""
