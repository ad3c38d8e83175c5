"""Who may do what: the rights that dmengine needs, as policies, and whether policies grant them."""
